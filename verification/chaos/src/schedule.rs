//! One run, decided by its seed.

use std::fmt;
use std::time::Duration;

use checker::Rules;
use clap::ValueEnum as _;
use rand::seq::SliceRandom as _;
use rand::{Rng, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::clock::nanos;
use crate::fault::{Fault, Kind, Shape};
use crate::settings::Settings;
use crate::workload::Workload;

/// What is decided beforehand; the rest is the seed's.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// The workload.
    pub workload: Option<Workload>,
    /// The kinds of the faults, each once.
    pub faults: Vec<Kind>,
}

/// One run: what is done and what befalls it, all of it decided by a seed.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The seed.
    pub seed: u64,
    /// What the workers do.
    pub workload: Workload,
    /// How many workers there are.
    pub processes: u32,
    /// How their locks are set up.
    pub settings: Settings,
    /// Whether the server keeps a file, and so its data when it is killed.
    pub append_only: bool,
    /// How long the workers work.
    pub length: Duration,
    /// What befalls them, in order.
    pub faults: Vec<Fault>,
}

/// How much later than due an end may be: the machine is kept busy.
const SLACK: Duration = Duration::from_secs(1);
/// How long a grant waits to be taken up, and a waiter keeps its place unheard.
const CLAIM: Duration = Duration::from_secs(2);

impl Schedule {
    /// The schedule of a seed.
    #[must_use]
    pub fn of(seed: u64, wishes: &Wishes) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let workload = Workload::ALL[rng.random_range(0..Workload::ALL.len())];
        let workload = wishes.workload.unwrap_or(workload);
        let processes = rng.random_range(1..=4);
        let processes = workload.processes().unwrap_or(processes);
        let mut settings = Settings::random(&mut rng);
        let length =
            Duration::from_millis(1_500) + settings.ttl.mul_f64(rng.random_range(0.8..1.5));
        let shape = Shape { ttl: settings.ttl, keys: workload.keys(), processes };
        let mut faults = faults(wishes, length, &shape, &mut rng);
        faults.sort_by_key(|fault| fault.at);
        if rng.random_bool(0.5) {
            settings.guard = settings.guard.max(guard_for(&faults));
        }
        let append_only = rng.random_bool(0.5);
        Self { seed, workload, processes, settings, append_only, length, faults }
    }

    /// The server needs a clock of its own.
    #[must_use]
    pub fn moves_the_clock(&self) -> bool {
        self.has(|fault| matches!(fault.kind, Kind::ClockAhead | Kind::ClockBack))
    }

    /// How far the clock jumps ahead.
    #[must_use]
    pub fn jumps_ahead(&self) -> Duration {
        jumps_ahead(&self.faults)
    }

    /// All data may be lost, which the lock waits out.
    #[must_use]
    pub fn loses_all(&self) -> bool {
        self.has(|fault| fault.loses_all(self.append_only))
    }

    /// The counter of tokens may be lost to a server whose clock is behind: what no process that connects afterwards has seen
    /// may then be issued again. That is a hole which the documentation names.
    #[must_use]
    pub fn may_repeat_tokens(&self) -> bool {
        self.loses_all() && self.has(|fault| fault.kind == Kind::ClockBack)
    }

    /// Holds exclude each other whatever befalls this schedule: no hold is lost without a trace, the clock does not jump ahead
    /// by more than the guard, nor at all while a loss of data is waited out.
    #[must_use]
    pub fn is_lossless(&self) -> bool {
        let ahead = self.jumps_ahead();
        let in_time = ahead.is_zero() || ahead <= self.settings.guard && !self.loses_all();
        in_time && !self.has(Fault::loses_holds)
    }

    /// What its history is held to.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let unhindered =
            !self.moves_the_clock() && !self.loses_all() && !self.has(Fault::loses_holds);
        let takeover = self.settings.ttl.max(CLAIM) + self.settings.guard;
        Rules {
            lossless: self.is_lossless(),
            slack: nanos(SLACK),
            max_bypass: None,
            takeover: unhindered.then(|| nanos(takeover)),
        }
    }

    /// How long after the end of all workers every key can be had again.
    #[must_use]
    pub fn freed_within(&self) -> Duration {
        let lease = self.settings.ttl.max(CLAIM) + self.settings.guard;
        if self.loses_all() || self.has(Fault::loses_holds) { lease * 2 } else { lease }
    }

    fn has(&self, what: impl Fn(&Fault) -> bool) -> bool {
        self.faults.iter().any(what)
    }
}

fn jumps_ahead(faults: &[Fault]) -> Duration {
    let ahead = faults.iter().filter(|fault| fault.kind == Kind::ClockAhead);
    ahead.map(|fault| fault.jump).sum()
}

/// One that makes the clock's jumps harmless, if they are short.
fn guard_for(faults: &[Fault]) -> Duration {
    let ahead = jumps_ahead(faults);
    if ahead.is_zero() || ahead > Duration::from_secs(3) {
        return Duration::ZERO;
    }
    ahead + Duration::from_millis(200)
}

fn faults(wishes: &Wishes, length: Duration, shape: &Shape, rng: &mut impl Rng) -> Vec<Fault> {
    let mut kinds = wishes.faults.clone();
    if kinds.is_empty() {
        let mut all = Kind::value_variants().to_vec();
        all.shuffle(rng);
        kinds.extend(all.into_iter().take(rng.random_range(1..=6)));
    }
    kinds.into_iter().map(|kind| Fault::random(kind, length, shape, rng)).collect()
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = if self.append_only { "append-only" } else { "plain" };
        let loss = if self.is_lossless() { "lossless" } else { "lossy" };
        let (seed, workload, processes) = (self.seed, self.workload, self.processes);
        writeln!(f, "seed {seed}: {workload} in {processes} processes, {file} server, {loss}")?;
        writeln!(f, "  {:?}", self.settings)?;
        for fault in &self.faults {
            writeln!(f, "  {fault}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(kinds: &[Kind]) -> Schedule {
        let wishes = Wishes { faults: kinds.to_vec(), ..Wishes::default() };
        Schedule::of(7, &wishes)
    }

    #[test]
    fn a_seed_is_one_schedule() {
        for seed in 0..100 {
            let wishes = Wishes::default();
            let [one, other] = [Schedule::of(seed, &wishes), Schedule::of(seed, &wishes)];
            assert_eq!(one.to_string(), other.to_string());
            assert!((1..=6).contains(&one.faults.len()));
            assert!(one.faults.iter().all(|fault| fault.at < one.length));
        }
    }

    #[test]
    fn every_kind_and_every_workload_is_drawn() {
        let schedules: Vec<_> =
            (0..300).map(|seed| Schedule::of(seed, &Wishes::default())).collect();
        for kind in Kind::value_variants() {
            assert!(schedules.iter().any(|schedule| schedule.has(|fault| fault.kind == *kind)));
        }
        for workload in Workload::ALL {
            assert!(schedules.iter().any(|schedule| schedule.workload == workload));
        }
    }

    #[test]
    fn what_the_lock_waits_out_is_no_loss() {
        assert!(with(&[Kind::FlushAll, Kind::KillAny, Kind::ServerCrash]).is_lossless());
        assert!(!with(&[Kind::DeleteHold]).is_lossless());
        let mut schedule = with(&[Kind::ClockAhead]);
        schedule.faults[0].jump = Duration::from_secs(1);
        schedule.settings.guard = Duration::from_secs(2);
        assert!(schedule.is_lossless());
        schedule.settings.guard = Duration::from_millis(2);
        assert!(!schedule.is_lossless());
    }
}
