//! A server without memory.

use redis::{RedisResult, Value};

use crate::cluster::Cluster;

/// How much more than it has the server may take, in bytes.
const ROOM: u64 = 100_000;
const JUNK_BYTES: usize = 8_000;
/// More than fits in.
const JUNK: u32 = 60;

impl Cluster {
    /// Fills the server's memory, which it then deals with by this policy.
    pub(super) fn fill(&self, policy: &str) -> RedisResult<()> {
        let info: String = self.server.ask(&["INFO", "memory"])?;
        let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        let used: u64 = used.and_then(|used| used.trim().parse().ok()).unwrap_or(0);
        let limit = (used + ROOM).to_string();
        self.server.ask::<Value>(&["CONFIG", "SET", "maxmemory-policy", policy])?;
        self.server.ask::<Value>(&["CONFIG", "SET", "maxmemory", &limit])?;
        let junk = "x".repeat(JUNK_BYTES);
        for number in 0..JUNK {
            // From when it is full it refuses this, too.
            let _ = self.server.ask::<Value>(&["SET", &format!("junk:{number}"), &junk]);
        }
        Ok(())
    }

    pub(super) fn make_room(&self) {
        // A server that was started anew has room.
        let _ = self.server.ask::<Value>(&["CONFIG", "SET", "maxmemory", "0"]);
        let names: Vec<String> = (0..JUNK).map(|number| format!("junk:{number}")).collect();
        let words: Vec<&str> =
            ["DEL"].into_iter().chain(names.iter().map(String::as_str)).collect();
        let _ = self.server.ask::<Value>(&words);
    }
}
