//! Ways to lose a hold.

use std::fmt;
use std::io;
use std::thread;
use std::time::Duration;

use checker::Event;
use redis::Value;
use tempfile::TempDir;
use testkit::{RedisServer, eventually};

use super::holder::Holder;
use super::{LIMIT, TTL};
use crate::register::Register;
use crate::settings::Settings;

/// A way to lose a hold that is still valid in its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// The key is deleted.
    Delete,
    /// The key is evicted.
    Evict,
    /// The server's clock jumps a minute ahead.
    Clock,
    /// The server is restarted without a file, by processes that do not wait that out.
    Restart,
    /// The server forgets all, and nobody waits that out.
    Flush,
    /// The server forgets all, and that is waited out, as by default.
    FlushWaitedOut,
    /// Nothing is lost: the holder lets go after a while.
    Nothing,
}

impl Means {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Delete,
        Self::Evict,
        Self::Clock,
        Self::Restart,
        Self::Flush,
        Self::FlushWaitedOut,
        Self::Nothing,
    ];

    pub(super) fn needs_no_quarantine(self) -> bool {
        matches!(self, Self::Restart | Self::Flush)
    }
}

impl fmt::Display for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Delete => "DEL of the hold",
            Self::Evict => "eviction (volatile-ttl)",
            Self::Clock => "server clock + 60 s",
            Self::Restart => "restart without AOF, not waited out",
            Self::Flush => "FLUSHALL, not waited out",
            Self::FlushWaitedOut => "FLUSHALL, waited out (default)",
            Self::Nothing => "nothing (control)",
        })
    }
}

/// A server on which holds are lost in one way, and the register that they write to.
pub(super) struct Ground {
    pub(super) means: Means,
    server: RedisServer,
    register: Register,
    dir: TempDir,
}

/// What every round contends for.
pub(super) const KEY: u32 = 0;
const HOLD: &str = "lock:{trial:0}";

impl Ground {
    pub(super) fn new(means: Means) -> io::Result<Self> {
        let builder = RedisServer::builder();
        let builder = if means == Means::Clock { builder.with_clock() } else { builder };
        let dir = tempfile::tempdir()?;
        let register = Register::listen(&dir.path().join("register"))?;
        Ok(Self { means, server: builder.start()?, register, dir })
    }

    pub(super) fn holder(&self, process: u32, settings: &Settings) -> Holder {
        let locks = settings.manager(&self.server.url()).expect("the settings make sense");
        Holder::new(process, locks, self.dir.path().join("register"))
    }

    pub(super) fn strike(&self) {
        match self.means {
            Means::Delete => drop(self.server.command(&["DEL", HOLD])),
            Means::Evict => self.evict(),
            Means::Clock => self.server.clock().jump_ahead(Duration::from_secs(60)),
            Means::Restart => self.server.restart().expect("it ran before"),
            Means::Flush | Means::FlushWaitedOut => drop(self.server.command(&["FLUSHALL"])),
            Means::Nothing => thread::sleep(TTL * 2),
        }
    }

    /// Takes memory away until the hold is gone, the one key with a ttl.
    fn evict(&self) {
        let mut connection = self.server.connection();
        let mut set = |name: &str, value: &str| {
            redis::cmd("CONFIG").arg(&["SET", name, value]).query::<()>(&mut connection)
        };
        set("maxmemory-policy", "volatile-ttl").expect("it is a policy");
        set("maxmemory", "1").expect("it is a size");
        // Any command that may need memory makes room first; this one is refused then.
        let _ = redis::cmd("SET").arg(&["junk", "x"]).query::<Value>(&mut self.server.connection());
        set_back(&mut self.server.connection());
    }

    /// Readies the server for the next round; what the register decided in this one.
    pub(super) fn clean_up(&self) -> Vec<Event> {
        for process in [1, 2] {
            eventually(LIMIT, "heard", || self.register.has_heard_all_of(process));
        }
        self.server.command(&["DEL", HOLD]);
        self.register.take_events()
    }
}

fn set_back(connection: &mut redis::Connection) {
    let set = redis::cmd("CONFIG").arg(&["SET", "maxmemory", "0"]).query::<()>(connection);
    set.expect("it is a size");
}

impl Drop for Ground {
    fn drop(&mut self) {
        self.register.close(&self.dir.path().join("register"));
    }
}
