//! Injects faults and ends them.

mod memory;
mod network;
mod processes;

use redis::{RedisResult, Value};

use super::Cluster;
use super::lookup::hold_name;
use crate::fault::{Fault, FaultKind};

impl Cluster {
    /// Injects a fault. Returns whether it had an effect.
    pub fn inject(&mut self, fault: &Fault) -> bool {
        let text = fault.to_string();
        // Recorded before and after, because the effect is in between.
        self.workers.fault(text.clone());
        let done = self.apply(fault);
        self.workers.fault(match &done {
            Ok(()) => format!("done: {text}"),
            Err(why) => format!("without effect: {text}: {why}"),
        });
        done.is_ok()
    }

    fn apply(&mut self, fault: &Fault) -> Result<(), String> {
        if fault.kind.is_of_the_network() {
            self.disturb(fault);
            return Ok(());
        }
        match fault.kind {
            FaultKind::ServerPause => self.server.pause(),
            FaultKind::ServerCrash => self.server.crash(),
            FaultKind::MemoryFull => return to_text(self.fill("noeviction")),
            FaultKind::Eviction => return to_text(self.fill(fault.policy)),
            FaultKind::ClockAhead => self.clock(fault)?.jump_ahead(fault.jump),
            FaultKind::ClockBack => self.clock(fault)?.jump_back(fault.jump),
            FaultKind::PauseHolder | FaultKind::PauseWaiter | FaultKind::PauseAny => {
                return self.pause_one(fault);
            }
            FaultKind::KillHolder | FaultKind::KillWaiter | FaultKind::KillAny => {
                return self.kill_one(fault);
            }
            FaultKind::KillGranted => return self.kill_granted(fault.key),
            _ => return to_text(self.command(fault)),
        }
        Ok(())
    }

    fn command(&self, fault: &Fault) -> RedisResult<()> {
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
        let clients: String = self.server.command(&["CLIENT", "LIST"])?;
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
        self.server.command::<Value>(text).map(drop)
    }

    fn clock(&self, _fault: &Fault) -> Result<&testkit::ServerClock, String> {
        self.server.clock().ok_or_else(|| "the server has no controllable clock".to_owned())
    }

    pub fn end_fault(&mut self, fault: &Fault) {
        if fault.kind.is_of_the_network() {
            self.settle(fault);
        }
        match fault.kind {
            FaultKind::ServerPause => self.server.resume(),
            FaultKind::ServerCrash => self.server.restart(),
            FaultKind::MemoryFull | FaultKind::Eviction => self.free_memory(),
            FaultKind::PauseHolder | FaultKind::PauseWaiter | FaultKind::PauseAny => {
                self.resume_all();
            }
            _ => {}
        }
        self.workers.fault(format!("ended: {fault}"));
    }

    /// Ends all faults.
    pub fn heal(&mut self) {
        self.server.restart();
        self.server.resume();
        self.proxies.iter().for_each(testkit::FaultProxy::heal);
        self.resume_all();
        // The server may not be paused.
        let _ = self.send(&["CLIENT", "UNPAUSE"]);
        self.free_memory();
        self.workers.fault("all faults ended");
    }
}

fn to_text(result: RedisResult<()>) -> Result<(), String> {
    result.map_err(|error| error.to_string())
}
