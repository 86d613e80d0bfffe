use std::sync::Arc;
use std::time::Duration;

use checker::{EventKind, Nanos, Request};
use distlock::Hold;

use super::observations::Observations;
use super::request::valid_until;
use super::{RecordedRequest, Worker};
use crate::clock;

/// Records the extensions and the loss of a hold whose owner waits for something else.
pub(super) struct LeaseMonitor {
    worker: Arc<Worker>,
    observations: Arc<Observations>,
    task: u32,
    request: Request,
    hold: Hold,
    /// The expiry that was recorded last.
    noted: Nanos,
}

const POLL_INTERVAL: Duration = Duration::from_millis(20);

impl LeaseMonitor {
    pub(super) fn new(request: &RecordedRequest, hold: Hold, noted: Nanos) -> Self {
        let (worker, observations) =
            (Arc::clone(&request.worker), Arc::clone(&request.observations));
        Self { worker, observations, task: request.task, request: request.request, hold, noted }
    }

    pub(super) async fn keep(mut self) {
        let lost = self.hold.lost();
        let mut lost = std::pin::pin!(lost);
        while tokio::time::timeout(POLL_INTERVAL, &mut lost).await.is_err() {
            self.look();
        }
        let kind = EventKind::LossReported { request: self.request };
        self.observations.report_loss(|| self.worker.journal.write(self.task, kind));
    }

    fn look(&mut self) {
        let at = clock::now();
        let until = valid_until(at, &self.hold);
        let ttl = self.worker.config.settings.ttl;
        if until > self.noted + clock::nanos(ttl / 10) {
            self.noted = until;
            let kind = EventKind::Extended { request: self.request, until };
            self.observations
                .report_extension(|| self.worker.journal.write_at(at, self.task, kind));
        }
    }
}
