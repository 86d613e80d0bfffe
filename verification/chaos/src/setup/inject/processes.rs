//! Pauses and kills workers.

use std::thread;
use std::time::Duration;

use checker::EventKind;
use rustix::process::Signal;

use crate::clock;
use crate::fault::{Fault, FaultKind};
use crate::setup::{POLL, Setup};

/// How long it may take until the holder releases and the paused waiter is granted the lock.
const GRANT: Duration = Duration::from_millis(500);

impl Setup {
    pub(super) fn pause_one(&mut self, fault: &Fault) -> Result<(), String> {
        let number = self.victim(fault)?;
        self.pause(number);
        Ok(())
    }

    pub(super) fn kill_one(&mut self, fault: &Fault) -> Result<(), String> {
        let number = self.victim(fault)?;
        self.check_not_last()?;
        self.workers.kill(number);
        Ok(())
    }

    /// Pauses the first waiter, waits until it is granted the lock, and kills it.
    pub(super) fn kill_granted(&mut self, key: u32) -> Result<(), String> {
        self.check_not_last()?;
        let waiter = |key| Some((key, self.first_waiter(key)?));
        let (key, number) = self.keys_from(key).find_map(waiter).ok_or("no waiter")?;
        self.pause(number);
        let limit = clock::now() + clock::nanos(GRANT);
        while self.holder(key) != Some(number) && clock::now() < limit {
            thread::sleep(POLL);
        }
        let granted = self.holder(key) == Some(number);
        self.workers.kill(number);
        if granted { Ok(()) } else { Err("killed before the grant".to_owned()) }
    }

    fn victim(&self, fault: &Fault) -> Result<usize, String> {
        let found = match fault.kind {
            FaultKind::PauseHolder | FaultKind::KillHolder => {
                self.keys_from(fault.key).find_map(|key| self.holder(key))
            }
            FaultKind::PauseWaiter | FaultKind::KillWaiter => {
                self.keys_from(fault.key).find_map(|key| self.first_waiter(key))
            }
            _ => fault.worker.map(|worker| worker as usize),
        };
        found
            .filter(|number| !self.workers.processes[*number].killed)
            .ok_or("no such process".to_owned())
    }

    /// All keys, beginning with this one, in case it has no holder or waiter.
    fn keys_from(&self, key: u32) -> impl Iterator<Item = u32> + use<> {
        let keys = self.workers.keys();
        (0..keys).map(move |step| (key + step) % keys)
    }

    fn check_not_last(&self) -> Result<(), String> {
        let alive = self.workers.processes.iter().filter(|worker| !worker.killed).count();
        if alive > 1 { Ok(()) } else { Err("it is the last worker".to_owned()) }
    }

    fn pause(&mut self, number: usize) {
        if self.workers.processes[number].stands_still
            || !self.workers.processes[number].is_running()
        {
            return;
        }
        self.workers.processes[number].stands_still = true;
        let process = self.workers.processes[number].process;
        self.workers.note(process, EventKind::Paused(true));
        self.workers.processes[number].signal(Signal::STOP);
    }

    pub(super) fn resume_all(&mut self) {
        for number in 0..self.workers.processes.len() {
            let worker = &mut self.workers.processes[number];
            if worker.stands_still && !worker.killed {
                worker.stands_still = false;
                worker.signal(Signal::CONT);
                let process = worker.process;
                self.workers.note(process, EventKind::Paused(false));
            }
        }
    }
}
