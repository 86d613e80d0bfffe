//! Fills the memory of the server.

use redis::{RedisResult, Value};

use crate::setup::server::Server;

/// The memory limit above the current use, in bytes.
const ROOM: u64 = 100_000;
const FILLER_BYTES: usize = 8_000;
/// More keys than fit into the limit.
const FILLER_KEYS: u32 = 60;

impl Server {
    /// Fills the memory of the server under an eviction policy.
    pub(super) fn fill(&self, policy: &str) -> RedisResult<()> {
        let info: String = self.command(&["INFO", "memory"])?;
        let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        let used: u64 = used.and_then(|used| used.trim().parse().ok()).unwrap_or(0);
        let limit = (used + ROOM).to_string();
        self.command::<Value>(&["CONFIG", "SET", "maxmemory-policy", policy])?;
        self.command::<Value>(&["CONFIG", "SET", "maxmemory", &limit])?;
        let filler = "x".repeat(FILLER_BYTES);
        for number in 0..FILLER_KEYS {
            // A full server rejects this command, too.
            let _ = self.command::<Value>(&["SET", &format!("filler:{number}"), &filler]);
        }
        Ok(())
    }

    pub(super) fn free_memory(&self) {
        // A restarted server has no limit.
        let _ = self.command::<Value>(&["CONFIG", "SET", "maxmemory", "0"]);
        let names: Vec<String> =
            (0..FILLER_KEYS).map(|number| format!("filler:{number}")).collect();
        let text: Vec<&str> = ["DEL"].into_iter().chain(names.iter().map(String::as_str)).collect();
        let _ = self.command::<Value>(&text);
    }
}
