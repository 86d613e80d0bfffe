//! Signals to workers.

use std::thread;
use std::time::Duration;

use checker::EventKind;
use rustix::process::Signal;

use crate::clock;
use crate::cluster::{Cluster, POLL};
use crate::fault::{Fault, Kind};

/// How long a holder may take until it lets go and the stopped waiter has the grant.
const GRANT: Duration = Duration::from_millis(500);

impl Cluster {
    pub(super) fn pause_one(&mut self, fault: &Fault) -> Result<(), String> {
        let number = self.victim(fault)?;
        self.pause(number);
        Ok(())
    }

    pub(super) fn kill_one(&mut self, fault: &Fault) -> Result<(), String> {
        let number = self.victim(fault)?;
        self.spare_the_last()?;
        self.kill(number);
        Ok(())
    }

    /// Stops the first waiter, lets it be granted the lock, and kills it.
    pub(super) fn kill_granted(&mut self, key: u32) -> Result<(), String> {
        self.spare_the_last()?;
        let waiter = |key| Some((key, self.first_waiter(key)?));
        let (key, number) = self.keys_from(key).find_map(waiter).ok_or("nobody waits")?;
        self.pause(number);
        let limit = clock::now() + clock::nanos(GRANT);
        while self.holder(key) != Some(number) && clock::now() < limit {
            thread::sleep(POLL);
        }
        let granted = self.holder(key) == Some(number);
        self.kill(number);
        if granted { Ok(()) } else { Err("killed before the grant".to_owned()) }
    }

    fn victim(&self, fault: &Fault) -> Result<usize, String> {
        let found = match fault.kind {
            Kind::PauseHolder | Kind::KillHolder => {
                self.keys_from(fault.key).find_map(|key| self.holder(key))
            }
            Kind::PauseWaiter | Kind::KillWaiter => {
                self.keys_from(fault.key).find_map(|key| self.first_waiter(key))
            }
            _ => fault.worker.map(|worker| worker as usize),
        };
        found
            .filter(|number| !self.workers[*number].killed)
            .ok_or("there is no such one".to_owned())
    }

    /// All keys, this one first: where nobody holds or waits, the next one will do.
    fn keys_from(&self, key: u32) -> impl Iterator<Item = u32> + use<> {
        let keys = self.keys;
        (0..keys).map(move |step| (key + step) % keys)
    }

    fn spare_the_last(&self) -> Result<(), String> {
        let alive = self.workers.iter().filter(|worker| !worker.killed).count();
        if alive > 1 { Ok(()) } else { Err("it is the last one".to_owned()) }
    }

    fn pause(&mut self, number: usize) {
        if self.workers[number].stands_still || !self.workers[number].is_running() {
            return;
        }
        self.workers[number].stands_still = true;
        self.note(self.workers[number].process, EventKind::Paused(true));
        self.workers[number].signal(Signal::STOP);
    }

    pub(super) fn resume_all(&mut self) {
        for number in 0..self.workers.len() {
            let worker = &mut self.workers[number];
            if worker.stands_still && !worker.killed {
                worker.stands_still = false;
                worker.signal(Signal::CONT);
                let process = worker.process;
                self.note(process, EventKind::Paused(false));
            }
        }
    }

    pub(in crate::cluster) fn kill(&mut self, number: usize) {
        self.workers[number].kill();
        let process = self.workers[number].process;
        while !self.register.has_heard_all_of(process) {
            thread::sleep(POLL);
        }
        self.note(process, EventKind::Crashed);
    }
}
