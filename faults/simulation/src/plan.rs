//! What is to happen in a simulated cluster. Drawn from a seed, and the same for it always.

mod draw;
mod fault;

use std::fmt;
use std::time::Duration;

pub use fault::{Fault, Misfortune, Part};

/// How long a lock may be without a holder while somebody waits, where nothing gets in the way: a release and a push, with
/// the waking of who sends and who gets them, take a few milliseconds.
const PROMPTLY: Duration = Duration::from_millis(50);

/// A schedule.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it was drawn from; chance in the network and in the order of what happens at one time follows from it too.
    pub seed: u64,
    /// How many locks there are.
    pub keys: u32,
    /// How long a hold lasts that is not renewed, unless its request says.
    pub ttl: Duration,
    /// How often a hold is handed on within its process while another waits.
    pub hand_overs: u32,
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
    pub surely: bool,
}

/// What a section does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Writes to a register that compares tokens, without looking whether the hold is valid.
    Write,
    /// Reads a counter, waits, looks whether the hold is valid, and writes one more.
    Count,
}

impl Plan {
    /// Whether nothing in it makes the server forget a hold that is still valid: then no two may be valid at once.
    #[must_use]
    pub fn is_lossless(&self) -> bool {
        !self.faults.iter().any(|fault| fault.what.is_lossy())
    }

    /// Whether all tokens rise: what an older server's clock gave is above what one that was set back gives after a loss.
    #[must_use]
    pub fn keeps_order(&self) -> bool {
        let back = self.faults.iter().any(|fault| fault.what.sets_clock_back());
        let forgets = self.faults.iter().any(|fault| fault.what.forgets_tokens());
        !(back && forgets)
    }

    /// When the last of its faults is over and the last of its processes is there.
    #[must_use]
    pub fn heals_at(&self) -> Duration {
        let faults = self.faults.iter().map(|fault| fault.at + fault.what.lasts());
        let births = self.processes.iter().map(|member| member.born);
        faults.chain(births).max().unwrap_or_default()
    }

    /// The shortest ttl in it.
    #[must_use]
    pub fn shortest_ttl(&self) -> Duration {
        let steps =
            self.processes.iter().flat_map(|member| &member.tasks).flat_map(|task| &task.steps);
        steps.filter_map(Step::shortest_ttl).chain([self.ttl]).min().unwrap_or(self.ttl)
    }

    /// How soon after all its tasks have ended every lock can be had: holds of the dead have expired by then, a grant that
    /// nobody took has passed, and a loss of data was waited out. By a clock that was set back all of that takes longer.
    #[must_use]
    pub fn free_within(&self) -> Duration {
        (self.ttl + self.set_back_by()) * 2 + Duration::from_secs(5)
    }

    /// How often a request that waits on the server may be passed over by later ones, where nothing gets in the way: by those to
    /// whom the process that has the lock hands it on, and by the few that it serves before it hears of the request.
    #[must_use]
    pub fn passed_over(&self) -> Option<u32> {
        if self.weather == Weather::GOOD && self.is_first_come() {
            return Some(0);
        }
        self.is_undisturbed().then_some(self.hand_overs + 4)
    }

    /// Whether all wait on the server alone, each for one lock, and nothing befalls them but death.
    fn is_first_come(&self) -> bool {
        let crashes = |fault: &Fault| matches!(fault.what, Misfortune::Crash { .. });
        let waits = |step: &Step| step.ask.global && step.ask.keys.len() == 1;
        self.faults.iter().all(crashes)
            && self.steps().all(|step| waits(step) && step.inside.is_empty())
    }

    fn is_undisturbed(&self) -> bool {
        self.faults.is_empty() && self.weather == Weather::GOOD
    }

    /// Whether the server keeps what it knows of requests: one whose hold was deleted may be in the queue again.
    #[must_use]
    pub fn keeps_requests(&self) -> bool {
        !self.faults.iter().any(|fault| fault.what.forgets_requests())
    }

    /// How long a lock may be without a holder while somebody waits, when nothing goes wrong any more: a hold of the dead
    /// expires, a grant that nobody takes up passes, a loss of data is waited out, and whoever is not connected connects.
    #[must_use]
    pub fn takeover(&self) -> Option<Duration> {
        if self.is_undisturbed() && self.steps().all(Step::is_plain) {
            return Some(PROMPTLY);
        }
        let packets = (self.weather.usual + self.weather.slow) * 8;
        let span = self.ttl.mul_f64(1.02) * 2 + Duration::from_secs(6) + packets;
        // A list has its first locks long before it says so, and does not want its last ones until then.
        (self.set_back_by().is_zero() && !self.takes_several()).then_some(span)
    }

    /// How soon after its end the server keeps nothing: the tombstones of cancelled requests last longest.
    #[must_use]
    pub fn forgotten_within(&self) -> Duration {
        self.set_back_by() + Duration::from_secs(75)
    }

    /// Whether several locks are asked for together anywhere in it.
    #[must_use]
    pub fn takes_several(&self) -> bool {
        self.steps().any(Step::takes_several)
    }

    fn steps(&self) -> impl Iterator<Item = &Step> {
        self.processes.iter().flat_map(|member| &member.tasks).flat_map(|task| &task.steps)
    }

    fn set_back_by(&self) -> Duration {
        self.faults.iter().map(|fault| fault.what.set_back_by()).sum()
    }
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
            surely: false,
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

    fn shortest_ttl(&self) -> Option<Duration> {
        let inside = self.inside.iter().filter_map(Self::shortest_ttl);
        inside.chain(self.ask.ttl).min()
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
            "seed {}: {} keys, ttl {:?}, {} hand-overs, packets up to {:?}, one in {} up to {:?}, one push in {} lost",
            self.seed,
            self.keys,
            self.ttl,
            self.hand_overs,
            self.weather.usual,
            self.weather.slow_one_in,
            self.weather.slow,
            self.weather.lost_push_one_in
        )?;
        for (number, member) in self.processes.iter().enumerate() {
            let steps =
                member.tasks.iter().map(|task| task.steps.iter().map(Step::count).sum::<usize>());
            let steps: Vec<_> = steps.map(|steps| steps.to_string()).collect();
            let (born, ppm) = (member.born, member.ppm);
            writeln!(
                f,
                "  process {number}: from {born:?} on, clock {ppm:+} ppm, sections {}",
                steps.join(" + ")
            )?;
        }
        for fault in &self.faults {
            writeln!(f, "  at {:?}: {}", fault.at, fault.what)?;
        }
        Ok(())
    }
}
