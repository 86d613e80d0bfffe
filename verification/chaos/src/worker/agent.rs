use std::sync::Arc;
use std::thread;
use std::time::Duration;

use distlock::LockRequest;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{Ops, RecordedRequest, Worker};
use crate::clock;
use crate::workload::key_name;

/// A thread or task that takes locks until the run ends.
#[derive(Debug)]
pub struct Agent {
    pub(crate) worker: Arc<Worker>,
    pub(crate) task: u32,
    pub(crate) rng: ChaCha8Rng,
}

/// How long a request may delay the end of a run.
const MAX_OVERRUN: Duration = Duration::from_millis(800);
/// Prevents a busy loop while the server is unreachable.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(5);

impl Agent {
    pub(super) fn new(worker: &Arc<Worker>, task: u32) -> Self {
        let seed = worker.config.seed ^ u64::from(worker.config.process) << 32 ^ u64::from(task);
        Self { worker: Arc::clone(worker), task, rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    pub(super) fn run(mut self) {
        let workload = self.worker.config.workload;
        while !self.is_over() {
            let had = workload.round(&mut self);
            thread::sleep(self.pause(had));
        }
    }

    pub(super) async fn run_async(mut self) {
        let workload = self.worker.config.workload;
        while !self.is_over() {
            let had = workload.round_async(&mut self).await;
            tokio::time::sleep(self.pause(had)).await;
        }
    }

    fn is_over(&self) -> bool {
        clock::now() >= self.worker.stop()
    }

    fn pause(&mut self, had: bool) -> Duration {
        let pause = self.up_to(self.worker.config.workload.pause());
        if had { pause } else { pause + PAUSE_AFTER_FAILURE }
    }

    /// A random duration up to `longest`.
    pub fn up_to(&mut self, longest: Duration) -> Duration {
        let longest = u64::try_from(longest.as_micros()).expect("durations are short");
        Duration::from_micros(self.rng.random_range(0..=longest))
    }

    pub fn any_key(&mut self) -> u32 {
        self.rng.random_range(0..self.worker.config.workload.keys())
    }

    /// A random wait: sometimes none or a short one, mostly a long one.
    pub fn any_wait(&mut self) -> Duration {
        match self.rng.random_range(0..20) {
            0 => Duration::ZERO,
            1..4 => Duration::from_millis(self.rng.random_range(1..=100)),
            _ => self.long_wait(),
        }
    }

    /// A wait that ends shortly after the run.
    #[must_use]
    pub fn long_wait(&self) -> Duration {
        let rest = clock::left(self.worker.stop()) + MAX_OVERRUN;
        rest.min(Duration::from_secs(3))
    }

    /// Records a request, which the caller makes right afterwards.
    #[must_use]
    pub fn ask(&self, key: u32, wait: Duration) -> RecordedRequest {
        RecordedRequest::new(&self.worker, self.task, key, wait, None)
    }

    /// A request with the run's settings.
    pub fn request(&self, key: u32, wait: Duration) -> LockRequest {
        self.set_up(self.worker.locks.mutex(key_name(key)), wait)
    }

    pub(crate) fn set_up(&self, request: LockRequest, wait: Duration) -> LockRequest {
        let settings = &self.worker.config.settings;
        let mut request = request.wait(wait).linger(settings.linger);
        if settings.strict_fifo {
            request = request.strict_fifo();
        }
        if settings.wait_for_release { request.wait_for_release() } else { request }
    }

    /// Acquires a lock, runs a section and releases. Returns whether the lock was acquired.
    pub fn run_section(&self, key: u32, wait: Duration, ops: &Ops) -> bool {
        let request = self.ask(key, wait);
        let guard = match self.request(key, wait).acquire_blocking() {
            Ok(guard) => guard,
            Err(error) => return request.settle(Err(error)),
        };
        let section = request.enter(guard.hold());
        section.perform(ops);
        drop(section);
        request.settle(guard.release_blocking())
    }

    /// The same in a task. The future may be dropped at any time.
    pub async fn run_section_async(&self, key: u32, wait: Duration, ops: &Ops) -> bool {
        let request = self.ask(key, wait);
        let guard = match self.request(key, wait).acquire().await {
            Ok(guard) => guard,
            Err(error) => return request.settle(Err(error)),
        };
        let section = request.enter(guard.hold());
        section.perform_async(ops).await;
        drop(section);
        request.settle(guard.release().await)
    }
}
