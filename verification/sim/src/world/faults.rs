//! What befalls the world.

use std::time::Duration;

use checker::EventKind;

use super::agenda::Happening;
use super::process::Link;
use super::{World, nanos};
use crate::plan::Misfortune;
use crate::stage;

impl World<'_> {
    pub(super) fn fault(&mut self, number: usize) {
        let what = self.plan.faults[number].what.clone();
        stage::record_of(0, EventKind::Fault(what.to_string()));
        self.agenda.put(stage::now() + nanos(what.lasts()), Happening::FaultOver(number));
        let now = stage::now();
        match what {
            Misfortune::Cut { process, late, unnoticed } => self.cut(process, late, unnoticed),
            Misfortune::BlackHole { process, span } => self.swallow(process, span),
            Misfortune::Pause { process, span } => self.pause(process, span),
            Misfortune::Crash { process } => self.crash(process),
            Misfortune::Freeze { span } => self.freeze(span),
            Misfortune::Restart { span } => self.restart(span),
            Misfortune::RestartEmpty { span } => {
                self.server.flush();
                self.restart(span);
            }
            Misfortune::Flush => self.server.flush(),
            Misfortune::ForgetScripts => self.server.forget_scripts(),
            Misfortune::Unable { span } => self.server.refuse_all(now + nanos(span)),
            Misfortune::Full { span } => self.server.refuse_new(now + nanos(span)),
            Misfortune::Delete { key, part } => self.server.delete(&name(key), part),
            Misfortune::Jump { millis } => self.server.jump(millis),
        }
    }

    /// What a fault did is over; its traces may last.
    pub(super) fn fault_over(&self, number: usize) {
        let what = &self.plan.faults[number].what;
        if !what.lasts().is_zero() {
            stage::record_of(0, EventKind::Fault(format!("over: {what}")));
        }
    }

    fn cut(&mut self, process: usize, late: Duration, unnoticed: Duration) {
        let Link::Up(connection) = self.processes[process].link else { return };
        let lost = self.chance.u64(..=self.connections[connection].unanswered());
        self.connections[connection].break_off(lost, nanos(late));
        let noticed = stage::now() + nanos(unnoticed) + self.travel();
        self.agenda.put(noticed, Happening::ClientNotices(connection));
        let silent = self.connections[connection].silent_at().max(noticed);
        self.agenda.put(silent, Happening::ServerNotices(connection));
    }

    fn swallow(&mut self, process: usize, span: Duration) {
        let until = stage::now() + nanos(span);
        self.processes[process].stuck_until = until;
        if let Link::Up(connection) | Link::Connecting(connection) = self.processes[process].link {
            self.connections[connection].stuck_until = until;
        }
    }

    fn freeze(&mut self, span: Duration) {
        let until = stage::now() + nanos(span);
        self.server.away_until = self.server.away_until.max(until);
    }

    fn restart(&mut self, span: Duration) {
        let until = stage::now() + nanos(span);
        self.server.die(until);
        for connection in 0..self.connections.len() {
            let link = &mut self.connections[connection];
            if link.open_at_server {
                link.open_at_server = false;
                link.break_off(u64::MAX, 0);
                let at = self.arrival_down(connection);
                self.agenda.put(at, Happening::ClientNotices(connection));
            }
        }
        self.agenda.put(self.server.away_until, Happening::ServerBack);
    }

    pub(super) fn server_back(&mut self) {
        if stage::now() < self.server.away_until {
            return self.agenda.put(self.server.away_until, Happening::ServerBack);
        }
        self.server.down = false;
    }
}

/// The user's key of a lock.
pub(super) fn name(key: u32) -> String {
    format!("key {key}")
}
