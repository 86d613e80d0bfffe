//! How often two holds are valid at once when the server loses one, which no lock can prevent, and what becomes of the writes
//! of the one that is late.

mod holder;
mod means;
mod table;

use std::io;
use std::thread;
use std::time::Duration;

use checker::{Event, EventKind};
use indicatif::ProgressBar;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::settings::Settings;

use means::Ground;
pub use means::Means;
pub use table::Table;

/// When the other one asks for the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// Before the hold is lost: it stands in the queue, and asks again when the hold should be over.
    Waits,
    /// Right after the hold was lost.
    Comes,
}

/// Rounds of one way to lose a hold.
#[derive(Clone, Debug)]
pub struct Losses {
    /// How it was lost.
    pub means: Means,
    /// When the other one asked.
    pub contender: Contender,
    /// How often that was tried.
    pub rounds: u32,
    /// How often both holds were valid at once.
    pub double_holds: u32,
    /// How long the older one still was then, in each such round.
    pub spans: Vec<Duration>,
    /// Writes of the older hold after the first one of the newer: what a storage without tokens takes.
    pub late: u64,
    /// How many of them the fenced register accepted.
    pub accepted: u64,
}

const TTL: Duration = Duration::from_millis(600);
/// How long the contender keeps what it got.
const STAY: Duration = Duration::from_millis(30);
/// A holder is told by its deadline; a contender has to wait out at the most two of them.
const LIMIT: Duration = Duration::from_secs(5);

/// Tries each way that often.
///
/// # Errors
/// If a server cannot be started.
///
/// # Panics
/// If a lock is not had when it must be.
pub fn measure(rounds: u32, seed: u64) -> io::Result<Vec<Losses>> {
    let bar = ProgressBar::new(u64::from(rounds) * 2 * Means::ALL.len() as u64);
    let all = thread::scope(|scope| {
        let measure = |means| {
            let bar = &bar;
            scope.spawn(move || by(means, rounds, seed, bar))
        };
        let all = Means::ALL.map(measure);
        all.into_iter().map(|one| one.join().expect("it does not panic")).collect::<io::Result<_>>()
    });
    bar.finish_and_clear();
    let all: Vec<Vec<Losses>> = all?;
    Ok(all.concat())
}

/// One way, on a server of its own.
fn by(means: Means, rounds: u32, seed: u64, bar: &ProgressBar) -> io::Result<Vec<Losses>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let ground = Ground::new(means)?;
    let mut all = [Contender::Waits, Contender::Comes].map(|c| Losses::none(means, c));
    for losses in &mut all {
        for _ in 0..rounds {
            let phase = TTL.mul_f64(rng.random_range(0.1..1.1));
            losses.add(&round(&ground, losses.contender, phase));
            bar.inc(1);
        }
    }
    Ok(all.to_vec())
}

fn settings(means: Means) -> Settings {
    Settings {
        ttl: TTL,
        guard: Settings::usual_guard(TTL),
        outage: LIMIT,
        max_handoffs: 8,
        linger: Duration::ZERO,
        strict_fifo: false,
        confirmed: false,
        data_loss_grace: !means.needs_no_quarantine(),
    }
}

/// One hold that is lost at this point of its life while another process waits for it; its history.
fn round(ground: &Ground, contender: Contender, phase: Duration) -> Vec<Event> {
    let [first, second] = [1, 2].map(|process| ground.holder(process, &settings(ground.means)));
    let mut history = thread::scope(|scope| {
        let (held, waits) = (scope.spawn(|| first.hold(None)), &second);
        first.until_inside();
        let contend = || scope.spawn(|| waits.hold(Some(STAY)));
        let early = (contender == Contender::Waits).then(contend);
        thread::sleep(phase);
        ground.strike();
        let waiting = early.unwrap_or_else(contend);
        if ground.means == Means::Nothing {
            first.stop();
        }
        waiting.join().expect("a contender does not panic");
        first.until_told();
        first.stop();
        held.join().expect("a holder does not panic");
        [first.events(), second.events()].concat()
    });
    drop((first, second));
    history.extend(ground.clean_up());
    history
}

impl Losses {
    fn none(means: Means, contender: Contender) -> Self {
        let spans = Vec::new();
        Self { means, contender, rounds: 0, double_holds: 0, spans, late: 0, accepted: 0 }
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

    /// No late write was accepted, and no two holds were valid at once where none was lost.
    #[must_use]
    pub fn is_right(&self) -> bool {
        let kept = matches!(self.means, Means::FlushWaitedOut | Means::Nothing);
        self.accepted == 0 && !(kept && self.double_holds > 0)
    }
}

/// How long the older hold was still valid when the newer one had begun.
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
    let told = of(1).find_map(|event| match event.kind {
        EventKind::LossReported { .. } | EventKind::Released { .. } => Some(event.at),
        _ => None,
    });
    let (Some(entered), Some(until)) = (entered, until.max()) else { return Duration::ZERO };
    let over = told.map_or(until, |told| told.min(until));
    Duration::from_nanos(over.saturating_sub(entered))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: u64, process: u32, kind: EventKind) -> Event {
        Event { at, process, task: 0, kind }
    }

    fn entered(at: u64, process: u32, valid_until: u64) -> Event {
        let request = u64::from(process);
        event(
            at,
            process,
            EventKind::Acquired { request, fence: request, valid_until, outer: None },
        )
    }

    #[test]
    fn a_round_counts_the_overlap_and_the_writes_that_came_late() {
        let wrote = |at, request, accepted| {
            event(
                at,
                u32::try_from(request).unwrap(),
                EventKind::RegisterWrite { request, accepted },
            )
        };
        let history = [
            entered(1, 1, 90),
            event(10, 1, EventKind::Extended { request: 1, until: 100 }),
            wrote(20, 1, true),
            entered(60, 2, 200),
            wrote(61, 2, true),
            event(80, 1, EventKind::LossReported { request: 1 }),
            wrote(82, 1, false),
        ];
        let mut losses = Losses::none(Means::Delete, Contender::Comes);
        losses.add(&history);
        assert_eq!((losses.double_holds, losses.spans[0].as_nanos()), (1, 20));
        assert_eq!((losses.late, losses.accepted), (1, 0));
        assert!(losses.is_right());
        assert!(
            Table(&[losses])
                .to_string()
                .contains("| DEL of the hold | comes afterwards | 1 | 1 | 100.0 %")
        );
    }
}
