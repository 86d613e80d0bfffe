//! A thread or task of a worker.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use distlock::LockRequest;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{Ask, Deeds, Worker};
use crate::clock;
use crate::workload::key_name;

/// A thread or task that takes locks until the run ends.
#[derive(Debug)]
pub struct Agent {
    pub(crate) worker: Arc<Worker>,
    pub(crate) task: u32,
    pub(crate) rng: ChaCha8Rng,
}

/// Requests at the end of a run are not to hold it up longer.
const OVERTIME: Duration = Duration::from_millis(800);
/// So that a server that is away is not asked all the time.
const AFTER_REFUSAL: Duration = Duration::from_millis(5);

impl Agent {
    pub(super) fn new(worker: &Arc<Worker>, task: u32) -> Self {
        let seed = worker.orders.seed ^ u64::from(worker.orders.process) << 32 ^ u64::from(task);
        Self { worker: Arc::clone(worker), task, rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    pub(super) fn labour(mut self) {
        let workload = self.worker.orders.workload;
        while !self.is_over() {
            let had = workload.round(&mut self);
            thread::sleep(self.pause(had));
        }
    }

    pub(super) async fn labour_async(mut self) {
        let workload = self.worker.orders.workload;
        while !self.is_over() {
            let had = workload.round_async(&mut self).await;
            tokio::time::sleep(self.pause(had)).await;
        }
    }

    fn is_over(&self) -> bool {
        clock::now() >= self.worker.stop
    }

    fn pause(&mut self, had: bool) -> Duration {
        let pause = self.up_to(self.worker.orders.workload.pause());
        if had { pause } else { pause + AFTER_REFUSAL }
    }

    /// A random span up to this long.
    pub fn up_to(&mut self, longest: Duration) -> Duration {
        let longest = u64::try_from(longest.as_micros()).expect("spans are short");
        Duration::from_micros(self.rng.random_range(0..=longest))
    }

    /// A random key of the workload's.
    pub fn any_key(&mut self) -> u32 {
        self.rng.random_range(0..self.worker.orders.workload.keys())
    }

    /// A random wait: now and then it tries once or hardly waits, mostly it waits.
    pub fn any_wait(&mut self) -> Duration {
        match self.rng.random_range(0..20) {
            0 => Duration::ZERO,
            1..4 => Duration::from_millis(self.rng.random_range(1..=100)),
            _ => self.long_wait(),
        }
    }

    /// A wait that ends soon after the run.
    #[must_use]
    pub fn long_wait(&self) -> Duration {
        let rest = clock::left(self.worker.stop) + OVERTIME;
        rest.min(Duration::from_secs(3))
    }

    /// Makes a request known; it is to be made right afterwards.
    #[must_use]
    pub fn ask(&self, key: u32, wait: Duration) -> Ask {
        Ask::new(&self.worker, self.task, key, wait, None)
    }

    /// A request with the run's settings.
    pub fn request(&self, key: u32, wait: Duration) -> LockRequest {
        self.set_up(self.worker.locks.mutex(key_name(key)), wait)
    }

    pub(crate) fn set_up(&self, request: LockRequest, wait: Duration) -> LockRequest {
        let settings = &self.worker.orders.settings;
        let mut request = request.wait(wait).linger(settings.linger);
        if settings.strict_fifo {
            request = request.strict_fifo();
        }
        if settings.confirmed { request.wait_for_release() } else { request }
    }

    /// Takes a lock, does something under it and lets go; whether it had it.
    pub fn visit(&self, key: u32, wait: Duration, deeds: &Deeds) -> bool {
        let ask = self.ask(key, wait);
        let guard = match self.request(key, wait).acquire_blocking() {
            Ok(guard) => guard,
            Err(error) => return ask.settle(Err(error)),
        };
        let section = ask.enter(guard.hold());
        section.perform(deeds);
        drop(section);
        ask.settle(guard.release_blocking())
    }

    /// The same in a task. It may be dropped at any time.
    pub async fn visit_async(&self, key: u32, wait: Duration, deeds: &Deeds) -> bool {
        let ask = self.ask(key, wait);
        let guard = match self.request(key, wait).acquire().await {
            Ok(guard) => guard,
            Err(error) => return ask.settle(Err(error)),
        };
        let section = ask.enter(guard.hold());
        section.perform_async(deeds).await;
        drop(section);
        ask.settle(guard.release().await)
    }
}
