//! What is to happen in a simulated cluster. Drawn from a seed, and the same for it always.

mod draw;
mod fault;
mod promise;

use std::fmt;
use std::time::Duration;

pub use fault::{Fault, Misfortune, Part};

/// A schedule.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it was drawn from; chance in the network and in the order of what happens at one time follows from it too.
    pub seed: u64,
    /// How many locks there are.
    pub keys: u32,
    /// How often a hold is handed on within its process while another waits.
    pub max_handoffs: u32,
    /// What the network is like.
    pub weather: Weather,
    /// By how many millionths the server's clock is fast.
    pub server_ppm: i64,
    /// Who takes part.
    pub processes: Vec<Member>,
    /// What goes wrong, and when.
    pub faults: Vec<Fault>,
    /// Whether somebody asks for every lock when all others are done. Where nobody does, nobody clears up after them either.
    pub visited: bool,
}

/// What a network is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// The longest that a packet usually takes.
    pub usual: Duration,
    /// One packet in so many takes much longer.
    pub slow_one_in: u32,
    /// As long as this.
    pub slow: Duration,
    /// One push in so many is lost.
    pub lost_push_one_in: u32,
}

/// A process.
#[derive(Clone, Debug)]
pub struct Member {
    /// When it is started.
    pub born: Duration,
    /// How long a hold of its lasts that is not renewed, unless its request says.
    pub ttl: Duration,
    /// Whether it waits out a loss of the server's data. One that does not has a lock of its own, the last one, and no other.
    pub waits_out: bool,
    /// By how many millionths its clock is fast.
    pub ppm: i64,
    /// What its clock showed when the world began.
    pub offset: Duration,
    /// What it does, side by side.
    pub tasks: Vec<Task>,
}

/// Steps one after the other.
#[derive(Clone, Debug)]
pub struct Task {
    /// What it does.
    pub steps: Vec<Step>,
}

/// A section, or the attempt at one.
#[derive(Clone, Debug)]
pub struct Step {
    /// How long it does nothing before.
    pub pause: Duration,
    /// What it asks for.
    pub ask: Ask,
    /// When it gives up by being dropped, wherever it is by then; `None` never.
    pub cancel: Option<Duration>,
    /// What the section does with its time.
    pub work: Work,
    /// How long the section lasts, what is inside of it not counted.
    pub hold: Duration,
    /// Sections inside of it, one after the other; side by side where [`Self::siblings`] says so.
    pub inside: Vec<Step>,
    /// Whether what is inside runs side by side.
    pub siblings: bool,
    /// Whether what is inside is not called by the section: tasks of their own that run on top of its stack while it lasts, as an
    /// executor runs others in its `block_on`, and go on after it.
    pub strangers: bool,
    /// Whether its end waits for the server's word.
    pub confirmed: bool,
}

/// What a request says.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The locks it wants, together where they are several.
    pub keys: Vec<u32>,
    /// How long it waits; `None` as long as it takes.
    pub wait: Option<Duration>,
    /// The ttl, where it is not the usual one.
    pub ttl: Option<Duration>,
    /// How long the process keeps the hold for the next.
    pub linger: Duration,
    /// Whether it goes past the queue of its process.
    pub global: bool,
    /// Whether the hold is renewed.
    pub renew: bool,
    /// The longest it may be held.
    pub max_hold: Option<Duration>,
    /// Whether it is sure to get them.
    pub must_succeed: bool,
}

/// What a section does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Writes to a register that compares tokens, without looking whether the hold is valid.
    Write,
    /// Reads a counter, waits, looks whether the hold is valid, and writes one more.
    Count,
}

impl Weather {
    /// Everything is on time, and nothing is lost.
    pub const GOOD: Self = Self {
        usual: Duration::from_micros(300),
        slow_one_in: u32::MAX,
        slow: Duration::ZERO,
        lost_push_one_in: u32::MAX,
    };
}

impl Ask {
    /// A request for one lock without anything special.
    #[must_use]
    pub fn plainly(key: u32) -> Self {
        Self {
            keys: vec![key],
            wait: None,
            ttl: None,
            linger: Duration::ZERO,
            global: false,
            renew: true,
            max_hold: None,
            must_succeed: false,
        }
    }
}

impl Step {
    /// Whether its hold lasts until it ends it.
    fn is_plain(&self) -> bool {
        let Ask { keys, renew, max_hold, .. } = &self.ask;
        let plain = keys.len() == 1 && *renew && max_hold.is_none();
        plain && self.inside.is_empty()
    }

    fn takes_several(&self) -> bool {
        self.ask.keys.len() > 1 || self.inside.iter().any(Self::takes_several)
    }

    fn ttls(&self) -> Vec<Duration> {
        let inside = self.inside.iter().flat_map(Self::ttls);
        inside.chain(self.ask.ttl).collect()
    }

    /// Its sections, those inside included.
    #[must_use]
    pub fn count(&self) -> usize {
        1 + self.inside.iter().map(Self::count).sum::<usize>()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {}: {} keys, {} hand-overs, packets up to {:?}, one in {} up to {:?}, one push in {} lost",
            self.seed,
            self.keys,
            self.max_handoffs,
            self.weather.usual,
            self.weather.slow_one_in,
            self.weather.slow,
            self.weather.lost_push_one_in
        )?;
        for (number, member) in self.processes.iter().enumerate() {
            let steps =
                member.tasks.iter().map(|task| task.steps.iter().map(Step::count).sum::<usize>());
            let steps: Vec<_> = steps.map(|steps| steps.to_string()).collect();
            let Member { born, ppm, ttl, .. } = member;
            let waits = if member.waits_out { "" } else { ", waits out nothing" };
            writeln!(
                f,
                "  process {number}: from {born:?} on, ttl {ttl:?}{waits}, clock {ppm:+} ppm, sections {}",
                steps.join(" + ")
            )?;
        }
        for fault in &self.faults {
            writeln!(f, "  at {:?}: {}", fault.at, fault.what)?;
        }
        Ok(())
    }
}
