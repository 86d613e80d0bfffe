//! What the lock guarantees under a plan.

use std::time::Duration;

use distlock_runtime::Replicas;
use distlock_runtime::verification::{AfterFailover, WAITER_LEASE, lease_step_for};

use super::{Fault, FaultKind, NetworkProfile, Plan, Step};

/// How long a lock may be free while a request waits, in an undisturbed plan: a release, a push and
/// two wake-ups take a few milliseconds.
const PROMPTLY: Duration = Duration::from_millis(50);

/// How soon after its start a process has opened the tokens of the server, in a good network.
const OPENED: Duration = Duration::from_millis(500);

/// A network that is slower may keep a holder from the new primary for a grace period.
const SLOW: Duration = Duration::from_millis(100);

impl Plan {
    /// Whether no fault makes the server forget a valid hold for good. Then no two holds may be
    /// valid at once.
    #[must_use]
    pub fn is_lossless(&self) -> bool {
        !self.faults.iter().any(|fault| fault.what.is_lossy())
            || self.puts_holds_back()
            || self.keeps_confirmed() && (0..self.processes.len()).all(|it| self.is_confirmed(it))
    }

    /// Whether the replica confirms all holds of this process.
    #[must_use]
    pub fn is_confirmed(&self, process: usize) -> bool {
        self.processes.get(process).is_some_and(|member| member.replicas != Replicas::None)
    }

    /// Whether nothing is lost that the replica has: only failovers lose anything.
    #[must_use]
    pub fn keeps_confirmed(&self) -> bool {
        self.faults.iter().all(|fault| match fault.what {
            FaultKind::Failover { .. } => true,
            _ => !fault.what.is_lossy() && !fault.what.forgets_tokens(),
        })
    }

    /// How many replicas the server has as far as processes know.
    #[must_use]
    pub fn online_replicas(&self) -> u32 {
        let promotes = |fault: &Fault| matches!(fault.what, FaultKind::Failover { .. });
        let confirms = (0..self.processes.len()).any(|process| self.is_confirmed(process));
        u32::from(confirms || self.faults.iter().any(promotes))
    }

    /// Whether every holder reaches the new primary within the grace period, and so puts back what
    /// a failover lost.
    #[must_use]
    pub fn puts_holds_back(&self) -> bool {
        let only_failovers = self.faults.iter().all(|fault| match fault.what {
            FaultKind::Migrate { .. } => true,
            _ => fault.what.replaces_the_primary(),
        });
        let waits = self.after_failover == AfterFailover::default();
        // A replica without any tokens is a loss of data.
        let wait = self.processes.iter().all(|member| member.data_loss_grace);
        only_failovers && waits && wait && self.network.slow < SLOW
    }

    /// Whether this is a cluster.
    #[must_use]
    pub const fn is_cluster(&self) -> bool {
        self.nodes > 1
    }

    /// Whether an old primary goes on after a replica has become one. It may grant what the new one
    /// has granted.
    #[must_use]
    pub fn has_two_primaries(&self) -> bool {
        self.faults.iter().any(|fault| fault.what.leaves_two_primaries())
    }

    /// Whether a new primary may not have heard of what the old one did last.
    pub(crate) fn loses_writes(&self) -> bool {
        self.faults
            .iter()
            .any(|fault| matches!(fault.what, FaultKind::Failover { .. }) && fault.what.is_lossy())
    }

    /// Whether all tokens rise. They do not if the clock of the server was set back and its counter
    /// was lost, or was behind on a new primary.
    #[must_use]
    pub fn keeps_token_order(&self) -> bool {
        let back = self.faults.iter().any(|fault| fault.what.sets_clock_back());
        let forgets = self.faults.iter().any(|fault| fault.what.forgets_tokens());
        !(back && (forgets || self.loses_writes()))
    }

    /// When the last fault has ended and the last process has started.
    #[must_use]
    pub fn faults_end_at(&self) -> Duration {
        let faults = self.faults.iter().map(|fault| fault.at + fault.what.lasts());
        let births = self.processes.iter().map(|member| member.starts_at);
        faults.chain(births).max().unwrap_or_default()
    }

    /// The shortest ttl in it.
    #[must_use]
    pub fn shortest_ttl(&self) -> Duration {
        self.ttls().min().unwrap_or_default()
    }

    /// The longest. A ttl is raised to the time that its key stays taken.
    #[must_use]
    pub fn longest_ttl(&self) -> Duration {
        self.ttls().chain(self.steps().flat_map(Step::min_holds)).max().unwrap_or_default()
    }

    fn ttls(&self) -> impl Iterator<Item = Duration> {
        self.processes.iter().map(|member| member.ttl).chain(self.steps().flat_map(Step::ttls))
    }

    /// The longest grace period after a data loss: the step of the bound above the longest ttl.
    fn data_loss_wait(&self) -> Duration {
        lease_step_for(self.longest_ttl().mul_f64(1.02))
    }

    /// The lock of the process without a grace period after a data loss, if the plan has both: that
    /// process can hold it twice.
    #[must_use]
    pub fn unprotected_key(&self) -> Option<u32> {
        let unprotected_process = self.processes.iter().any(|member| !member.data_loss_grace);
        // A replica that has received nothing yet looks like a server that lost its data.
        let is_empty =
            |what: &FaultKind| matches!(what, FaultKind::Failover { lag, .. } if !lag.is_zero());
        let forgets =
            self.faults.iter().any(|fault| fault.what.forgets_tokens() || is_empty(&fault.what));
        (unprotected_process && forgets).then(|| self.keys - 1)
    }

    /// How long after the end of all tasks every lock can be acquired: holds of crashed processes
    /// have expired, an unclaimed grant has passed, and a data loss was waited out. A clock that
    /// was set back makes all of that longer.
    #[must_use]
    pub fn free_within(&self) -> Duration {
        (self.data_loss_wait() + self.set_back_by()) * 2 + Duration::from_secs(5)
    }

    /// How often later requests may overtake one that waits on the server, in an undisturbed plan:
    /// through the handoffs of each process, once.
    #[must_use]
    pub fn passed_over(&self) -> Option<u32> {
        if self.network == NetworkProfile::GOOD && self.is_strict_fifo() {
            return Some(0);
        }
        let processes = u32::try_from(self.processes.len()).ok()?;
        self.is_undisturbed().then_some((self.max_handoffs + 1) * processes)
    }

    /// Whether all requests wait on the server, each for one lock, and crashes are the only faults.
    fn is_strict_fifo(&self) -> bool {
        let crashes = |fault: &Fault| matches!(fault.what, FaultKind::Crash { .. });
        let waits = |step: &Step| step.ask.strict_fifo && step.ask.keys.len() == 1;
        self.faults.iter().all(crashes)
            && self.steps().all(|step| waits(step) && step.nested.is_empty())
    }

    /// Whether a hold that was lost for another reason may be put back after a failover: a process
    /// that has not noticed the loss yet cannot tell one from the other.
    pub(crate) fn may_put_back_what_was_lost(&self) -> bool {
        let is_failover = |fault: &Fault| matches!(fault.what, FaultKind::Failover { .. });
        let loses = |fault: &Fault| fault.what.is_lossy() || fault.what.forgets_tokens();
        self.faults.iter().any(is_failover)
            && self.faults.iter().any(|fault| !is_failover(fault) && loses(fault))
    }

    /// Whether a replica may be promoted that has copied nothing of the primary before it, but of
    /// the one before that. A hold of that one is valid all along, although the one in between,
    /// which has never heard of it, may have granted the lock under a higher token.
    pub(crate) fn skips_a_primary(&self) -> bool {
        let failovers = self.faults.iter().enumerate().filter_map(|(number, fault)| {
            let FaultKind::Failover { lag, .. } = fault.what else { return None };
            Some((number % self.nodes, fault.at, fault.at.saturating_sub(lag)))
        });
        let failovers: Vec<_> = failovers.collect();
        failovers.iter().any(|&(node, at, copied)| {
            failovers
                .iter()
                .any(|&(other, before, _)| other == node && copied < before && before < at)
        })
    }

    /// Whether a lock is taken after a failover only if a process has it: all processes reach the
    /// new primary, which has tokens, and release again what a failover may have lost. In a cluster
    /// a slot has tokens from the first grant on.
    fn repeats_releases(&self, first_grant: impl Fn(u32) -> Option<Duration>) -> bool {
        let first_grants: Vec<_> = (0..self.keys).filter_map(first_grant).collect();
        let opens_late = |at: Duration, copied: Duration| {
            let is_lost = |granted: &Duration| (copied..=at + OPENED).contains(granted);
            self.is_cluster() && first_grants.iter().any(is_lost)
        };
        let has_tokens = |fault: &Fault| match fault.what {
            FaultKind::Failover { lag, .. } => {
                fault.at > lag + OPENED && !opens_late(fault.at, fault.at.saturating_sub(lag))
            }
            _ => false,
        };
        let starts = self.processes.first().is_some_and(|first| first.starts_at.is_zero());
        let plain = self.steps().all(|step| step.is_plain() && step.ask.linger.is_zero());
        let fails_over = !self.faults.is_empty() && self.faults.iter().all(has_tokens);
        fails_over && starts && plain && self.puts_holds_back()
    }

    fn is_undisturbed(&self) -> bool {
        self.faults.is_empty() && self.network == NetworkProfile::GOOD
    }

    /// Whether the server remembers requests. A request whose hold was deleted can be queued again.
    #[must_use]
    pub fn keeps_requests(&self) -> bool {
        !self.faults.iter().any(|fault| fault.what.forgets_requests())
    }

    /// How long a lock may be free while a request waits, after the last fault: the hold of a
    /// crashed process expires, an unclaimed grant passes, a data loss is waited out, and processes
    /// reconnect. `first_grant`: when the lock of a key was granted first.
    #[must_use]
    pub fn takeover(&self, first_grant: impl Fn(u32) -> Option<Duration>) -> Option<Duration> {
        if self.is_undisturbed() && self.steps().all(Step::is_plain) {
            return Some(PROMPTLY);
        }
        let packets = (self.network.usual + self.network.slow) * 8;
        if let AfterFailover::Grace(grace) = self.after_failover
            && self.repeats_releases(first_grant)
        {
            // A grant whose notification was lost, and what comes next.
            return Some(grace + WAITER_LEASE * 2 + packets);
        }
        let span = self.data_loss_wait() * 2 + Duration::from_secs(6) + packets;
        // A multi-key request holds its first locks long before it reports them, and requests the
        // last ones late.
        (self.set_back_by().is_zero() && !self.takes_several()).then_some(span)
    }

    /// How long after the end the server stores anything: the tombstones of cancelled requests last
    /// longest.
    #[must_use]
    pub fn forgotten_within(&self) -> Duration {
        self.set_back_by() + Duration::from_secs(75)
    }

    /// Whether any request in it takes several locks.
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
