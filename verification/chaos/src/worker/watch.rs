//! Looking after a hold whose owner cannot.

use std::sync::Arc;
use std::time::Duration;

use checker::{EventKind, Nanos, Request};
use distlock::Hold;

use super::ask::valid_until;
use super::told::Told;
use super::{Ask, Worker};
use crate::clock;

/// Looks after a hold whose owner waits for something else.
pub(super) struct Watch {
    worker: Arc<Worker>,
    told: Arc<Told>,
    task: u32,
    request: Request,
    hold: Hold,
    /// Until when it was valid when that was written down last.
    noted: Nanos,
}

const LOOK: Duration = Duration::from_millis(20);

impl Watch {
    pub(super) fn new(ask: &Ask, hold: Hold, noted: Nanos) -> Self {
        let (worker, told) = (Arc::clone(&ask.worker), Arc::clone(&ask.told));
        Self { worker, told, task: ask.task, request: ask.request, hold, noted }
    }

    /// Writes down that the hold is renewed, and that it is lost.
    pub(super) async fn keep(mut self) {
        let lost = self.hold.lost();
        let mut lost = std::pin::pin!(lost);
        while tokio::time::timeout(LOOK, &mut lost).await.is_err() {
            self.look();
        }
        let kind = EventKind::LossReported { request: self.request };
        self.told.lose(|| self.worker.journal.write(self.task, kind));
    }

    fn look(&mut self) {
        let at = clock::now();
        let until = valid_until(at, &self.hold);
        let ttl = self.worker.orders.settings.ttl;
        if until > self.noted + clock::nanos(ttl / 10) {
            self.noted = until;
            let kind = EventKind::Extended { request: self.request, until };
            self.told.extend(|| self.worker.journal.write_at(at, self.task, kind));
        }
    }
}
