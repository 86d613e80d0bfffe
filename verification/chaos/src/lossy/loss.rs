//! Kinds of losses.

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

/// How the server loses a hold that is still valid in its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossKind {
    /// The key is deleted.
    Delete,
    /// The key is evicted.
    Evict,
    /// The clock of the server jumps a minute ahead.
    Clock,
    /// The server is restarted without a file, without a grace period.
    Restart,
    /// `FLUSHALL` without a grace period.
    Flush,
    /// `FLUSHALL` with the grace period, the default.
    FlushWaitedOut,
    /// Nothing is lost: the holder releases.
    Nothing,
}

impl LossKind {
    pub const ALL: [Self; 7] = [
        Self::Delete,
        Self::Evict,
        Self::Clock,
        Self::Restart,
        Self::Flush,
        Self::FlushWaitedOut,
        Self::Nothing,
    ];

    pub(super) fn without_grace(self) -> bool {
        matches!(self, Self::Restart | Self::Flush)
    }
}

impl fmt::Display for LossKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Delete => "DEL of the hold",
            Self::Evict => "eviction (volatile-ttl)",
            Self::Clock => "server clock + 60 s",
            Self::Restart => "restart without AOF, no grace period",
            Self::Flush => "FLUSHALL, no grace period",
            Self::FlushWaitedOut => "FLUSHALL, grace period (default)",
            Self::Nothing => "nothing (control)",
        })
    }
}

/// A server for one kind of loss, and the fenced register.
pub(super) struct TestBed {
    pub(super) kind: LossKind,
    server: RedisServer,
    register: Register,
    dir: TempDir,
}

pub(super) const KEY: u32 = 0;
const HOLD: &str = "lock:{trial:0}";

impl TestBed {
    pub(super) fn new(kind: LossKind) -> io::Result<Self> {
        let builder = RedisServer::builder();
        let builder = if kind == LossKind::Clock { builder.with_clock() } else { builder };
        let dir = tempfile::tempdir()?;
        let register = Register::listen(&dir.path().join("register"))?;
        Ok(Self { kind, server: builder.start()?, register, dir })
    }

    pub(super) fn holder(&self, process: u32, settings: &Settings) -> Holder {
        let locks = settings.manager(&self.server.url()).expect("the settings are valid");
        Holder::new(process, locks, self.dir.path().join("register"))
    }

    pub(super) fn apply(&self) {
        match self.kind {
            LossKind::Delete => drop(self.server.command(&["DEL", HOLD])),
            LossKind::Evict => self.evict(),
            LossKind::Clock => self.server.clock().jump_ahead(Duration::from_secs(60)),
            LossKind::Restart => self.server.restart().expect("it ran before"),
            LossKind::Flush | LossKind::FlushWaitedOut => drop(self.server.command(&["FLUSHALL"])),
            LossKind::Nothing => thread::sleep(TTL * 2),
        }
    }

    /// Reduces the memory until the hold, the only key with a ttl, is evicted.
    fn evict(&self) {
        let mut connection = self.server.connection();
        let mut set = |name: &str, value: &str| {
            redis::cmd("CONFIG").arg(&["SET", name, value]).query::<()>(&mut connection)
        };
        set("maxmemory-policy", "volatile-ttl").expect("it is a policy");
        set("maxmemory", "1").expect("it is a size");
        // A command that may need memory evicts first, and is then rejected.
        let _ =
            redis::cmd("SET").arg(&["filler", "x"]).query::<Value>(&mut self.server.connection());
        set_back(&mut self.server.connection());
    }

    /// Prepares the server for the next round. Returns the decisions of the register.
    pub(super) fn clean_up(&self) -> Vec<Event> {
        for process in [1, 2] {
            eventually(LIMIT, "all writes are decided", || {
                self.register.has_processed_all_of(process)
            });
        }
        self.server.command(&["DEL", HOLD]);
        self.register.take_events()
    }
}

fn set_back(connection: &mut redis::Connection) {
    let set = redis::cmd("CONFIG").arg(&["SET", "maxmemory", "0"]).query::<()>(connection);
    set.expect("it is a size");
}

impl Drop for TestBed {
    fn drop(&mut self) {
        self.register.close(&self.dir.path().join("register"));
    }
}
