//! Injects the faults of the plan.

use std::time::Duration;

use checker::EventKind;

use super::event_queue::SimEvent;
use super::process::Link;
use super::{World, nanos};
use crate::context;
use crate::plan::FaultKind;

impl World<'_> {
    pub(super) fn fault(&mut self, number: usize) {
        let what = self.plan.faults[number].what.clone();
        context::record_for(0, EventKind::Fault(what.to_string()));
        self.event_queue.put(context::now() + nanos(what.lasts()), SimEvent::FaultOver(number));
        let now = context::now();
        match what {
            FaultKind::Cut { process, late, unnoticed } => self.cut(process, late, unnoticed),
            FaultKind::BlackHole { process, span } => self.black_hole(process, span),
            FaultKind::Pause { process, span } => self.pause(process, span),
            FaultKind::Crash { process } => self.crash(process),
            FaultKind::Freeze { span } => self.freeze(number, span),
            FaultKind::Restart { span } => self.restart(number, span),
            FaultKind::Migrate { .. } => self.migrated(number, 0),
            FaultKind::RestartEmpty { span } => {
                self.primary(number).flush();
                self.restart(number, span);
            }
            FaultKind::Flush => self.primary(number).flush(),
            FaultKind::ForgetScripts => self.primary(number).forget_scripts(),
            FaultKind::Unable { span } => self.primary(number).refuse_all(now + nanos(span)),
            FaultKind::Full { span } => self.primary(number).refuse_new(now + nanos(span)),
            FaultKind::Delete { key, part } => self.primary(number).delete(&name(key), part),
            FaultKind::Jump { millis } => self.primary(number).jump(millis),
            FaultKind::Failover { span, .. } => self.fail_over(number, span),
        }
    }

    /// A fault ends. Its consequences may last.
    pub(super) fn fault_over(&self, number: usize) {
        let what = &self.plan.faults[number].what;
        if !what.lasts().is_zero() {
            context::record_for(0, EventKind::Fault(format!("over: {what}")));
        }
    }

    pub(super) fn cut(&mut self, process: usize, late: Duration, unnoticed: Duration) {
        let up: Vec<_> = self.processes[process].connections().collect();
        let connection = match up[..] {
            [] => return,
            [only] => only,
            _ => up[self.chance.usize(..up.len())],
        };
        let lost = self.chance.u64(..=self.connections[connection].unanswered());
        self.connections[connection].break_off(lost, nanos(late));
        let noticed = context::now() + nanos(unnoticed) + self.travel();
        self.event_queue.put(noticed, SimEvent::ClientNotices(connection));
        let silent = self.connections[connection].silent_at().max(noticed);
        self.event_queue.put(silent, SimEvent::ServerNotices(connection));
    }

    fn black_hole(&mut self, process: usize, span: Duration) {
        let until = context::now() + nanos(span);
        self.processes[process].stuck_until = until;
        for peer in &self.processes[process].peers {
            if let Link::Up(connection) | Link::Connecting(connection) = peer.link {
                self.connections[connection].stuck_until = until;
            }
        }
    }

    fn freeze(&mut self, fault: usize, span: Duration) {
        let until = context::now() + nanos(span);
        let server = self.primary(fault);
        server.away_until = server.away_until.max(until);
    }

    fn restart(&mut self, fault: usize, span: Duration) {
        let server = self.primary_number(fault);
        self.servers[server].die(context::now() + nanos(span));
        self.close_all(server);
        self.event_queue.put(self.servers[server].away_until, SimEvent::ServerBack(server));
    }

    /// This server closes all connections.
    pub(super) fn close_all(&mut self, server: usize) {
        for connection in 0..self.connections.len() {
            let link = &mut self.connections[connection];
            if link.open_at_server && link.server == server {
                link.open_at_server = false;
                link.break_off(u64::MAX, 0);
                let at = self.arrival_down(connection);
                self.event_queue.put(at, SimEvent::ClientNotices(connection));
            }
        }
    }

    pub(super) fn server_back(&mut self, number: usize) {
        let server = &mut self.servers[number];
        if context::now() < server.away_until {
            let at = server.away_until;
            return self.event_queue.put(at, SimEvent::ServerBack(number));
        }
        server.down = server.demoted;
    }
}

/// Locks that share a slot of a cluster.
pub(super) const KEYS_PER_SLOT: u32 = 2;

/// The key of a lock.
pub(super) fn name(key: u32) -> String {
    format!("{{{}}}key {key}", key / KEYS_PER_SLOT)
}
