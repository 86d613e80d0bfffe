//! Measures how often two holds are valid at once when the server loses one, which no lock can
//! prevent, and whether the fenced register rejects the late writes.

mod holder;
mod loss;
mod table;

use std::io;
use std::thread;
use std::time::Duration;

use checker::{Event, EventKind};
use indicatif::ProgressBar;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::settings::{FailoverPause, Settings};

pub use loss::LossKind;
use loss::TestBed;
pub use table::Table;

/// When the second process requests the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Before the hold is lost: the request is queued, and retried when the hold should have
    /// expired.
    Queued,
    /// Right after the hold was lost.
    AfterLoss,
}

/// The results of the rounds of one kind of loss.
#[derive(Clone, Debug)]
pub struct Losses {
    pub kind: LossKind,
    pub arrival: Arrival,
    pub rounds: u32,
    pub double_holds: u32,
    /// How long the older hold was still valid, for each double hold.
    pub spans: Vec<Duration>,
    /// Writes of the older hold after the first write of the newer one. Storage without tokens
    /// accepts them.
    pub late: u64,
    /// How many of them the fenced register accepted; has to be 0.
    pub accepted: u64,
}

const TTL: Duration = Duration::from_millis(600);
/// How long the second process holds the lock.
const STAY: Duration = Duration::from_millis(30);
/// The limit of a wait: a holder is notified by its deadline, and the second process waits for at
/// most two leases.
const LIMIT: Duration = Duration::from_secs(5);

/// Runs each kind of loss this often.
///
/// # Panics
/// If a lock cannot be acquired when it has to be available.
pub fn measure(rounds: u32, seed: u64) -> io::Result<Vec<Losses>> {
    let bar = ProgressBar::new(u64::from(rounds) * 2 * LossKind::ALL.len() as u64);
    let all = thread::scope(|scope| {
        let measure = |kind| {
            let bar = &bar;
            scope.spawn(move || by(kind, rounds, seed, bar))
        };
        let all = LossKind::ALL.map(measure);
        all.into_iter().map(|one| one.join().expect("it does not panic")).collect::<io::Result<_>>()
    });
    bar.finish_and_clear();
    let all: Vec<Vec<Losses>> = all?;
    Ok(all.concat())
}

/// Runs one kind of loss on its own server.
fn by(kind: LossKind, rounds: u32, seed: u64, bar: &ProgressBar) -> io::Result<Vec<Losses>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let bed = TestBed::new(kind)?;
    let mut all = [Arrival::Queued, Arrival::AfterLoss].map(|c| Losses::none(kind, c));
    for losses in &mut all {
        for _ in 0..rounds {
            let phase = TTL.mul_f64(rng.random_range(0.1..1.1));
            losses.add(&round(&bed, losses.arrival, phase));
            bar.inc(1);
        }
    }
    Ok(all.to_vec())
}

fn settings(kind: LossKind) -> Settings {
    Settings {
        ttl: TTL,
        server_ttl_slack: Settings::default_server_ttl_slack(TTL),
        outage_timeout: LIMIT,
        max_handoffs: 8,
        linger: Duration::ZERO,
        strict_fifo: false,
        wait_for_release: false,
        data_loss_grace: !kind.without_grace(),
        after_failover: FailoverPause::default(),
        replicas: 0,
    }
}

/// The history of a hold that is lost at a point of its life while another process waits for the
/// key.
fn round(bed: &TestBed, arrival: Arrival, phase: Duration) -> Vec<Event> {
    let [first, second] = [1, 2].map(|process| bed.holder(process, &settings(bed.kind)));
    let mut history = thread::scope(|scope| {
        let (held, waits) = (scope.spawn(|| first.hold(None)), &second);
        first.wait_until_held();
        let contend = || scope.spawn(|| waits.hold(Some(STAY)));
        let early = (arrival == Arrival::Queued).then(contend);
        thread::sleep(phase);
        bed.apply();
        let waiting = early.unwrap_or_else(contend);
        if bed.kind == LossKind::Nothing {
            first.stop();
        }
        waiting.join().expect("the second process does not panic");
        first.wait_until_notified();
        first.stop();
        held.join().expect("a holder does not panic");
        [first.events(), second.events()].concat()
    });
    drop((first, second));
    history.extend(bed.clean_up());
    history
}

impl Losses {
    fn none(kind: LossKind, arrival: Arrival) -> Self {
        let spans = Vec::new();
        Self { kind, arrival, rounds: 0, double_holds: 0, spans, late: 0, accepted: 0 }
    }

    fn add(&mut self, history: &[Event]) {
        self.rounds += 1;
        let span = overlap(history);
        if !span.is_zero() {
            self.double_holds += 1;
            self.spans.push(span);
        }
        let newer = history.iter().filter_map(|event| match event.kind {
            EventKind::RegisterWrite { accepted: true, .. } if event.process == 2 => Some(event.at),
            _ => None,
        });
        let Some(since) = newer.min() else { return };
        for event in history.iter().filter(|event| event.process == 1 && event.at > since) {
            if let EventKind::RegisterWrite { accepted, .. } = event.kind {
                self.late += 1;
                self.accepted += u64::from(accepted);
            }
        }
    }

    /// Whether no late write was accepted, and no two holds were valid at once where none may be
    /// lost.
    #[must_use]
    pub fn is_right(&self) -> bool {
        let kept = matches!(self.kind, LossKind::FlushWaitedOut | LossKind::Nothing);
        self.accepted == 0 && !(kept && self.double_holds > 0)
    }
}

/// How long the older hold was still valid after the newer one began.
fn overlap(history: &[Event]) -> Duration {
    let of = |process: u32| history.iter().filter(move |event| event.process == process);
    let entered = of(2).find_map(|event| match event.kind {
        EventKind::Acquired { .. } => Some(event.at),
        _ => None,
    });
    let until = of(1).filter_map(|event| match event.kind {
        EventKind::Acquired { valid_until, .. } => Some(valid_until),
        EventKind::Extended { until, .. } => Some(until),
        _ => None,
    });
    let reported = of(1).find_map(|event| match event.kind {
        EventKind::LossReported { .. } | EventKind::Released { .. } => Some(event.at),
        _ => None,
    });
    let (Some(entered), Some(until)) = (entered, until.max()) else { return Duration::ZERO };
    let over = reported.map_or(until, |reported| reported.min(until));
    Duration::from_nanos(over.saturating_sub(entered))
}

#[cfg(test)]
mod tests;
