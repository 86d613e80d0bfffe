//! What may be asked of the lock under a plan.

use std::time::Duration;

use distlock_runtime::verification::lease_step_for;

use super::{Fault, Misfortune, Plan, Step, Weather};

/// How long a lock may be without a holder while somebody waits, where nothing gets in the way: a release and a push, with
/// the waking of who sends and who gets them, take a few milliseconds.
const PROMPTLY: Duration = Duration::from_millis(50);

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
        self.ttls().min().unwrap_or_default()
    }

    /// The longest.
    #[must_use]
    pub fn longest_ttl(&self) -> Duration {
        self.ttls().max().unwrap_or_default()
    }

    fn ttls(&self) -> impl Iterator<Item = Duration> {
        self.processes.iter().map(|member| member.ttl).chain(self.steps().flat_map(Step::ttls))
    }

    /// How long a loss of data is waited out at the most: the step of the bound above the longest ttl.
    fn waited_out(&self) -> Duration {
        lease_step_for(self.longest_ttl().mul_f64(1.02))
    }

    /// The lock of the process that does not wait out a loss of data, if there is one of both: it may have the lock twice.
    #[must_use]
    pub fn careless_key(&self) -> Option<u32> {
        let careless = self.processes.iter().any(|member| !member.waits_out);
        let forgets = self.faults.iter().any(|fault| fault.what.forgets_tokens());
        (careless && forgets).then(|| self.keys - 1)
    }

    /// How soon after all its tasks have ended every lock can be had: holds of the dead have expired by then, a grant that
    /// nobody took has passed, and a loss of data was waited out. By a clock that was set back all of that takes longer.
    #[must_use]
    pub fn free_within(&self) -> Duration {
        (self.waited_out() + self.set_back_by()) * 2 + Duration::from_secs(5)
    }

    /// How often a request that waits on the server may be passed over by later ones, where nothing gets in the way: by those to
    /// whom each process hands on what it has, once, as whoever asks there later gets a later place.
    #[must_use]
    pub fn passed_over(&self) -> Option<u32> {
        if self.weather == Weather::GOOD && self.is_first_come() {
            return Some(0);
        }
        let processes = u32::try_from(self.processes.len()).ok()?;
        self.is_undisturbed().then_some((self.max_handoffs + 1) * processes)
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
        let span = self.waited_out() * 2 + Duration::from_secs(6) + packets;
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
