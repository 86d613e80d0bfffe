//! Making faults happen, and ending them.

mod memory;
mod network;
mod processes;

use redis::{RedisResult, Value};

use super::Cluster;
use super::sight::hold_name;
use crate::fault::{Fault, Kind};

impl Cluster {
    /// Makes a fault happen; whether it had an effect.
    pub fn inject(&mut self, fault: &Fault) -> bool {
        let words = fault.to_string();
        // Dated before and after: what it does it does in between.
        self.fault(words.clone());
        let done = self.strike(fault);
        self.fault(match &done {
            Ok(()) => format!("done: {words}"),
            Err(why) => format!("without effect: {words}: {why}"),
        });
        done.is_ok()
    }

    fn strike(&mut self, fault: &Fault) -> Result<(), String> {
        if fault.kind.is_of_the_network() {
            self.disturb(fault);
            return Ok(());
        }
        match fault.kind {
            Kind::ServerPause => self.server.pause(),
            Kind::ServerCrash => self.server.crash(),
            Kind::MemoryFull => return said(self.fill("noeviction")),
            Kind::Eviction => return said(self.fill(fault.policy)),
            Kind::ClockAhead => self.clock(fault)?.jump_ahead(fault.jump),
            Kind::ClockBack => self.clock(fault)?.jump_back(fault.jump),
            Kind::PauseHolder | Kind::PauseWaiter | Kind::PauseAny => {
                return self.pause_one(fault);
            }
            Kind::KillHolder | Kind::KillWaiter | Kind::KillAny => return self.kill_one(fault),
            Kind::KillGranted => return self.kill_granted(fault.key),
            _ => return said(self.command(fault)),
        }
        Ok(())
    }

    /// Faults that are one command.
    fn command(&self, fault: &Fault) -> RedisResult<()> {
        let hold = hold_name(fault.key);
        let part = |name: &str| format!("{hold}:{name}");
        let span = fault.span.as_millis().to_string();
        match fault.kind {
            Kind::KillNormal => self.send(&["CLIENT", "KILL", "TYPE", "normal"]),
            Kind::KillPubsub => self.send(&["CLIENT", "KILL", "TYPE", "pubsub"]),
            Kind::KillOne => self.kill_one_client(fault),
            Kind::ClientPauseAll => self.send(&["CLIENT", "PAUSE", &span, "ALL"]),
            Kind::ClientPauseWrite => self.send(&["CLIENT", "PAUSE", &span, "WRITE"]),
            Kind::ScriptFlush => self.send(&["SCRIPT", "FLUSH"]),
            Kind::FlushAll => self.send(&["FLUSHALL"]),
            Kind::DeleteHold => self.send(&["DEL", &hold]),
            Kind::DeleteQueue => self.send(&["DEL", &part("queue")]),
            Kind::DeleteWaiters => self.send(&["DEL", &part("waiters")]),
            Kind::DeleteCancelled => self.send(&["DEL", &part("cancelled")]),
            Kind::DeleteFence => self.send(&["DEL", "lock:fence"]),
            other => unreachable!("{other} is no command"),
        }
    }

    fn kill_one_client(&self, fault: &Fault) -> RedisResult<()> {
        let clients: String = self.server.ask(&["CLIENT", "LIST"])?;
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

    fn send(&self, words: &[&str]) -> RedisResult<()> {
        self.server.ask::<Value>(words).map(drop)
    }

    fn clock(&self, _fault: &Fault) -> Result<&testkit::ServerClock, String> {
        self.server.clock().ok_or_else(|| "the server has no clock of its own".to_owned())
    }

    /// Ends a fault that lasts.
    pub fn cease(&mut self, fault: &Fault) {
        if fault.kind.is_of_the_network() {
            self.settle(fault);
        }
        match fault.kind {
            Kind::ServerPause => self.server.resume(),
            Kind::ServerCrash => self.server.come_back(),
            Kind::MemoryFull | Kind::Eviction => self.make_room(),
            Kind::PauseHolder | Kind::PauseWaiter | Kind::PauseAny => self.resume_all(),
            _ => {}
        }
        self.fault(format!("over: {fault}"));
    }

    /// Ends everything that is not over.
    pub fn heal(&mut self) {
        self.server.come_back();
        self.server.resume();
        self.proxies.iter().for_each(testkit::FaultProxy::heal);
        self.resume_all();
        // It may have nothing to end.
        let _ = self.send(&["CLIENT", "UNPAUSE"]);
        self.make_room();
        self.fault("all faults are over");
    }
}

fn said(answer: RedisResult<()>) -> Result<(), String> {
    answer.map_err(|error| error.to_string())
}
