//! Injects faults and ends them.

mod cluster;
mod memory;
mod network;
mod processes;
mod server;

use super::{Servers, Setup};
use crate::fault::{Fault, FaultKind};
use crate::workers::WorkerProcess;

impl Setup {
    /// Injects a fault. Returns whether it had an effect.
    pub(crate) fn inject(&mut self, fault: &Fault) -> bool {
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
        match fault.kind {
            FaultKind::PauseHolder | FaultKind::PauseWaiter | FaultKind::PauseAny => {
                self.pause_one(fault)
            }
            FaultKind::KillHolder | FaultKind::KillWaiter | FaultKind::KillAny => {
                self.kill_one(fault)
            }
            FaultKind::KillGranted => self.kill_granted(fault.key),
            _ => match &mut self.servers {
                Servers::One(server) => server.apply(fault),
                Servers::Cluster(all) => {
                    let keys = 0..self.workers.keys();
                    let workers: Vec<_> =
                        self.workers.processes.iter().map(WorkerProcess::pid).collect();
                    cluster::apply(all, fault, keys, &workers)
                }
            },
        }
    }

    pub(crate) fn end_fault(&mut self, fault: &Fault) {
        match fault.kind {
            FaultKind::PauseHolder | FaultKind::PauseWaiter | FaultKind::PauseAny => {
                self.resume_all();
            }
            _ => match &mut self.servers {
                Servers::One(server) => server.end_fault(fault),
                Servers::Cluster(all) => cluster::end_fault(all, fault),
            },
        }
        self.workers.fault(format!("ended: {fault}"));
    }

    /// Ends all faults.
    pub(crate) fn heal(&mut self) {
        self.servers.heal();
        self.resume_all();
        self.workers.fault("all faults ended");
    }
}
