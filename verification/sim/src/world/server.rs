//! The server: the twin of the scripts, with a clock that runs and jumps, and with bad hours.

use std::time::Duration;

use checker::Nanos;
use distlock_runtime::Fence;
use distlock_runtime::verification::{
    Command, CommandError, MAX_LISTED_WAITERS, MemoryStore, Notification, Publish, Reply,
    SMALL_FENCE_RANGE,
};

use super::over::Over;
use crate::plan::Part;

/// One server.
pub(super) struct Server {
    twin: MemoryStore,
    /// By how many millionths its clock is fast.
    ppm: i64,
    /// By how many microseconds it has been set.
    set_by_us: i64,
    forgot_scripts: bool,
    /// Until when it stands still or is gone.
    pub(super) away_until: Nanos,
    /// Whether it is gone, with all its connections.
    pub(super) down: bool,
    unable_until: Nanos,
    full_until: Nanos,
    past: Past,
    /// What nobody is to get a lock for any more.
    pub(super) over: Over,
}

/// What can be known of data that a server had.
#[derive(Default)]
struct Past {
    /// Its data was lost.
    emptied: bool,
    /// So it was, and whoever connected first could not know that there had been any.
    unaware: bool,
}

/// What its clock shows when the world begins: the tokens of a counter that is younger than clocks are implausible.
const EPOCH_US: u64 = 1_700_000_000_000_000;

impl Server {
    pub(super) fn new(ppm: i64) -> Self {
        Self {
            twin: MemoryStore::default(),
            ppm,
            set_by_us: 0,
            forgot_scripts: false,
            away_until: 0,
            down: false,
            unable_until: 0,
            full_until: 0,
            past: Past::default(),
            over: Over::default(),
        }
    }

    fn now_us(&self, now: Nanos) -> u64 {
        let run = i128::from(now) * (1_000_000 + i128::from(self.ppm)) / 1_000_000_000;
        let shown = i128::from(EPOCH_US) + run + i128::from(self.set_by_us);
        u64::try_from(shown).expect("its clock is far from both ends")
    }

    /// A client connects and subscribes: `open_fence` of the store.
    pub(super) fn open(
        &mut self,
        now: Nanos,
        (min_fence, bound, connected_before): (Fence, Duration, bool),
        publish: &mut Publish<'_>,
    ) -> Duration {
        let fresh = !connected_before && min_fence.get() == 0 && self.twin.max_lease().is_zero();
        self.past.unaware |= fresh && self.past.emptied && !self.twin.has_counter();
        self.forgot_scripts = false;
        self.twin.welcome(self.now_us(now), min_fence, bound, connected_before, publish)
    }

    /// Does what is asked, in its order.
    pub(super) fn call(
        &mut self,
        now: Nanos,
        calls: &[Command],
        bound: Duration,
        publish: &mut Publish<'_>,
    ) -> Vec<Result<Reply, CommandError>> {
        if self.forgot_scripts {
            // The store sends them along with its next batch, and the bound that its process knows of with them.
            self.forgot_scripts = bound.is_zero();
            self.twin.load_scripts(bound);
            return calls.iter().map(|_| Err(CommandError::ScriptMissing)).collect();
        }
        let together = calls.iter().filter(|call| likely_free(call)).count() > 1;
        calls.iter().map(|call| self.call_one(now, call, together, publish)).collect()
    }

    fn call_one(
        &mut self,
        now: Nanos,
        call: &Command,
        together: bool,
        publish: &mut Publish<'_>,
    ) -> Result<Reply, CommandError> {
        let takes = matches!(call, Command::Acquire(_) | Command::AcquireAll(_));
        if self.is_unable(now) || (takes && now < self.full_until) {
            return Err(CommandError::TryAgain("the server cannot just now".to_owned()));
        }
        let now_us = self.now_us(now);
        if together && likely_free(call) && !self.is_free(now_us, call, publish) {
            return Err(CommandError::NotBatchable);
        }
        let over = &mut self.over;
        let mut tell = |inbox: &str, notice: Notification| {
            if let Notification::Granted(id, _) = notice {
                over.grant(id);
            }
            publish(inbox, notice)
        };
        let reply = self.twin.call(now_us, call, &mut tell);
        self.over.note(call, &reply);
        Ok(reply)
    }

    fn is_free(&mut self, now_us: u64, call: &Command, publish: &mut Publish<'_>) -> bool {
        let Command::Acquire(ask) = call else { return false };
        let look = Command::Inspect { key: ask.request.key.clone(), limit: MAX_LISTED_WAITERS };
        match self.twin.call(now_us, &look, publish) {
            Reply::Inspection(found) => found.holder.is_none() && found.waiting == 0,
            _ => false,
        }
    }

    /// Whether it lost its data and went on as a new one.
    pub(super) const fn is_unaware(&self) -> bool {
        self.past.unaware
    }

    pub(super) fn is_empty(&self, now: Nanos) -> bool {
        self.twin.is_empty(self.now_us(now))
    }

    pub(super) fn flush(&mut self) {
        self.twin.flush();
        self.past.emptied = true;
    }

    /// Its process is gone, and with it what is not data.
    pub(super) fn die(&mut self, until: Nanos) {
        self.down = true;
        self.away_until = self.away_until.max(until);
        self.twin.forget_scripts();
    }

    pub(super) fn forget_scripts(&mut self) {
        self.forgot_scripts = true;
        self.twin.forget_scripts();
    }

    pub(super) const fn is_unable(&self, now: Nanos) -> bool {
        now < self.unable_until
    }

    pub(super) fn refuse_all(&mut self, until: Nanos) {
        self.unable_until = self.unable_until.max(until);
    }

    pub(super) fn refuse_new(&mut self, until: Nanos) {
        self.full_until = self.full_until.max(until);
    }

    pub(super) fn delete(&mut self, key: &str, part: Part) {
        match part {
            Part::Hold => self.twin.delete_hold(key),
            Part::Queue => self.twin.delete_queue(key),
            Part::Cancelled => self.twin.delete_cancelled(key),
            Part::Fence => self.twin.delete_counter(),
        }
    }

    pub(super) fn jump(&mut self, millis: i64) {
        self.set_by_us += millis * 1_000;
    }
}

fn likely_free(call: &Command) -> bool {
    matches!(call, Command::Acquire(ask) if ask.likely_free && ask.fence_count <= SMALL_FENCE_RANGE)
}
