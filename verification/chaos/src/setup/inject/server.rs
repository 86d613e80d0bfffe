//! Faults of one server, and of the network before it.

use redis::{RedisResult, Value};
use testkit::FaultProxy;

use super::network::{disturb, settle};
use crate::fault::{Fault, FaultKind};
use crate::setup::hold_name;
use crate::setup::server::Server;

impl Server {
    pub(super) fn apply(&mut self, fault: &Fault) -> Result<(), String> {
        if fault.kind.is_of_the_network() {
            self.proxies_of(fault).for_each(|proxy| disturb(proxy, fault));
            return Ok(());
        }
        match fault.kind {
            FaultKind::ServerPause => self.pause(),
            FaultKind::ServerCrash => self.crash(),
            FaultKind::MemoryFull => return to_text(self.fill("noeviction")),
            FaultKind::Eviction => return to_text(self.fill(fault.policy)),
            FaultKind::ClockAhead => self.own_clock()?.jump_ahead(fault.jump),
            FaultKind::ClockBack => self.own_clock()?.jump_back(fault.jump),
            _ => return to_text(self.send_of(fault)),
        }
        Ok(())
    }

    /// The proxy of one worker, or all proxies.
    fn proxies_of(&self, fault: &Fault) -> impl Iterator<Item = &FaultProxy> {
        let only = fault.worker.map(|worker| worker as usize);
        let proxies = self.proxies.iter().enumerate();
        proxies.filter(move |(at, _)| only.is_none_or(|only| only == *at)).map(|(_, proxy)| proxy)
    }

    fn send_of(&self, fault: &Fault) -> RedisResult<()> {
        let hold = hold_name(fault.key);
        let part = |name: &str| format!("{hold}:{name}");
        let span = fault.span.as_millis().to_string();
        match fault.kind {
            FaultKind::KillNormal => self.send(&["CLIENT", "KILL", "TYPE", "normal"]),
            FaultKind::KillPubsub => self.send(&["CLIENT", "KILL", "TYPE", "pubsub"]),
            FaultKind::KillOne => self.kill_one_client(fault),
            FaultKind::ClientPauseAll => self.send(&["CLIENT", "PAUSE", &span, "ALL"]),
            FaultKind::ClientPauseWrite => self.send(&["CLIENT", "PAUSE", &span, "WRITE"]),
            FaultKind::ScriptFlush => self.send(&["SCRIPT", "FLUSH"]),
            FaultKind::FlushAll => self.send(&["FLUSHALL"]),
            FaultKind::DeleteHold => self.send(&["DEL", &hold]),
            FaultKind::DeleteQueue => self.send(&["DEL", &part("queue")]),
            FaultKind::DeleteWaiters => self.send(&["DEL", &part("waiters")]),
            FaultKind::DeleteCancelled => self.send(&["DEL", &part("cancelled")]),
            FaultKind::DeleteFence => self.send(&["DEL", "lock:tokens"]),
            other => unreachable!("{other} is not a command"),
        }
    }

    fn kill_one_client(&self, fault: &Fault) -> RedisResult<()> {
        let clients: String = self.command(&["CLIENT", "LIST"])?;
        let ids: Vec<&str> = clients
            .lines()
            .filter(|line| !line.contains("cmd=client"))
            .filter_map(|line| line.strip_prefix("id=")?.split(' ').next())
            .collect();
        let number = fault.worker.unwrap_or(0) as usize;
        match ids.get(number % ids.len().max(1)) {
            Some(id) => self.send(&["CLIENT", "KILL", "ID", id]),
            None => Ok(()),
        }
    }

    fn send(&self, text: &[&str]) -> RedisResult<()> {
        self.command::<Value>(text).map(drop)
    }

    fn own_clock(&self) -> Result<&testkit::ServerClock, String> {
        self.clock().ok_or_else(|| "the server has no controllable clock".to_owned())
    }

    pub(super) fn end_fault(&mut self, fault: &Fault) {
        if fault.kind.is_of_the_network() {
            self.proxies_of(fault).for_each(|proxy| settle(proxy, fault));
        }
        match fault.kind {
            FaultKind::ServerPause => self.resume(),
            FaultKind::ServerCrash => self.restart(),
            FaultKind::MemoryFull | FaultKind::Eviction => self.free_memory(),
            _ => {}
        }
    }

    /// Ends all faults.
    pub(crate) fn heal(&mut self) {
        self.restart();
        self.resume();
        self.proxies.iter().for_each(FaultProxy::heal);
        // The server may not be paused.
        let _ = self.send(&["CLIENT", "UNPAUSE"]);
        self.free_memory();
    }
}

fn to_text(result: RedisResult<()>) -> Result<(), String> {
    result.map_err(|error| error.to_string())
}
