//! Plans from seeds.

use std::time::Duration;

use distlock_runtime::Replicas;
use distlock_runtime::verification::AfterFailover;
use fastrand::Rng;

use super::{
    Fault, FaultKind, NetworkProfile, Part, Plan, ProcessPlan, RequestPlan, Step, Task, Work,
};

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn generate(seed: u64) -> Self {
        PlanGenerator::new(seed).plan()
    }
}

/// Themes concentrate a plan on one kind of trouble.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Theme {
    /// One key, short sections.
    Hot,
    /// A few keys, sections of all lengths.
    Mixed,
    /// Nested sections, in any order of keys.
    Nested,
    /// Half of all requests are dropped.
    Cancelled,
    /// Sections longer than their ttl.
    Long,
    /// Two processes that acquire one key all the time on a good network: tests fairness.
    ManyWaiters,
    /// Long waits on the server's queue, with crashes of holders and waiters: tests its order.
    Queue,
}

struct PlanGenerator {
    chance: Rng,
    /// Draws the foreign tasks, which no task calls. Separate from `chance`, so that it changes
    /// nothing else of a plan.
    foreign_chance: Rng,
    /// Draws the failovers, for the same reason.
    failover_chance: Rng,
    /// Draws where all processes ask for one lock around a failover; separate for the same reason.
    crowd_chance: Rng,
    /// Draws what replicas confirm; separate for the same reason.
    confirmed_chance: Rng,
    /// Draws which locks stay taken after a release; separate for the same reason.
    kept_chance: Rng,
    /// Draws the clusters; separate for the same reason.
    cluster_chance: Rng,
    /// Draws what becomes of migrations in a failover; separate for the same reason.
    migration_chance: Rng,
    seed: u64,
    theme: Theme,
    keys: u32,
    /// Whether several locks are asked for together.
    lists: bool,
    /// Of most of its processes.
    ttl: Duration,
}

const THEMES: [Theme; 6] =
    [Theme::Hot, Theme::Mixed, Theme::Nested, Theme::Cancelled, Theme::Long, Theme::Queue];
/// One plan in so many has many waiters, which takes ten times as long as others.
const MANY_WAITERS_ONE_IN: u32 = 20;
/// What is inside of one section in so many was not called by it.
const FOREIGN_ONE_IN: u32 = 3;
/// Makes another seed of a plan's.
const FOREIGN_SEED: u64 = 0x5354_5241_4e47_4552;
/// One plan in so many has failovers.
const FAILOVERS_ONE_IN: u32 = 4;
/// Makes another seed of a plan's.
const FAILOVER_SEED: u64 = 0x4641_494c_4f56_4552;
/// The lock of one section in so many stays taken after its release.
const KEPT_ONE_IN: u32 = 12;
/// Makes another seed of a plan's.
const KEPT_SEED: u64 = 0x4b45_5054_4b45_5953;
/// Of the plans with failovers, one in so many has all processes ask for one lock.
const CROWD_ONE_IN: u32 = 3;
/// Makes another seed of a plan's.
const CROWD_SEED: u64 = 0x4352_4f57_4443_5257;
/// One plan in so many is about a cluster.
const CLUSTER_ONE_IN: u32 = 4;
/// Makes another seed of a plan's.
const CLUSTER_SEED: u64 = 0x434c_5553_5445_5253;
/// In one cluster in so many migrations go on after a failover.
const MIGRATES_ON_ONE_IN: u32 = 3;
/// Makes another seed of a plan's.
const MIGRATION_SEED: u64 = 0x4d49_4752_4154_494f;
/// Of processes that ask for one lock around a failover, in milliseconds.
const CROWD_TTLS: [u64; 5] = [300, 600, 1_500, 4_000, 20_000];
/// Makes another seed of a plan's.
const CONFIRMED_SEED: u64 = 0x434f_4e46_4952_4d53;
/// In milliseconds.
const TTLS: [u64; 5] = [120, 300, 600, 1_500, 4_000];
/// Of what lasts longer than most, in milliseconds.
const LONG_TTLS: [u64; 3] = [4_000, 9_000, 20_000];
/// As many processes as a plan has from the beginning.
const MAX_PROCESSES: usize = 4;

impl PlanGenerator {
    fn new(seed: u64) -> Self {
        let mut chance = Rng::with_seed(seed);
        let many_waiters = chance.u32(..MANY_WAITERS_ONE_IN) == 0;
        let theme =
            if many_waiters { Theme::ManyWaiters } else { THEMES[chance.usize(..THEMES.len())] };
        let keys = if matches!(theme, Theme::Hot | Theme::ManyWaiters | Theme::Queue) {
            1
        } else {
            chance.u32(1..=3)
        };
        let ttl = Duration::from_millis(TTLS[chance.usize(..TTLS.len())]);
        let lists = keys > 1 && chance.bool();
        let foreign_chance = Rng::with_seed(seed ^ FOREIGN_SEED);
        let failover_chance = Rng::with_seed(seed ^ FAILOVER_SEED);
        let kept_chance = Rng::with_seed(seed ^ KEPT_SEED);
        let crowd_chance = Rng::with_seed(seed ^ CROWD_SEED);
        let confirmed_chance = Rng::with_seed(seed ^ CONFIRMED_SEED);
        let cluster_chance = Rng::with_seed(seed ^ CLUSTER_SEED);
        let migration_chance = Rng::with_seed(seed ^ MIGRATION_SEED);
        Self {
            chance,
            foreign_chance,
            failover_chance,
            crowd_chance,
            confirmed_chance,
            kept_chance,
            cluster_chance,
            migration_chance,
            seed,
            theme,
            keys,
            lists,
            ttl,
        }
    }

    fn plan(mut self) -> Plan {
        let mut processes = self.processes();
        if processes.len() > 1 && self.theme != Theme::ManyWaiters && self.one_in(8) {
            processes.push(self.unprotected_process());
            self.keys += 1;
        }
        let mut faults = self.faults(processes.len());
        let after_failover = self.add_failovers(&mut faults);
        self.add_crowd(&mut processes, &mut faults);
        self.add_confirmations(&mut processes, &mut faults);
        let nodes = self.add_nodes(&mut processes, &mut faults);
        Plan {
            seed: self.seed,
            keys: self.keys,
            nodes,
            migrates_on: nodes > 1 && self.migration_chance.u32(..MIGRATES_ON_ONE_IN) == 0,
            max_handoffs: if self.one_in(4) { 0 } else { 8 },
            network: self.network(),
            server_ppm: self.chance.i64(-2_000..=2_000),
            after_failover,
            processes,
            faults,
            checks_liveness: !self.one_in(4),
        }
    }

    fn one_in(&mut self, chances: u32) -> bool {
        self.chance.u32(..chances) == 0
    }

    /// Up to `most`, short spans more often than long ones.
    fn up_to(&mut self, most: Duration) -> Duration {
        let share = self.chance.f64();
        most.mul_f64(share * share * share)
    }

    fn millis(&mut self, most: u64) -> Duration {
        self.up_to(Duration::from_millis(most))
    }

    fn network(&mut self) -> NetworkProfile {
        if matches!(self.theme, Theme::ManyWaiters | Theme::Queue) {
            return NetworkProfile::GOOD;
        }
        let stormy = self.one_in(3);
        NetworkProfile {
            usual: Duration::from_micros(if self.one_in(4) { 20_000 } else { 400 }),
            slow_one_in: if stormy { 12 } else { 400 },
            slow: Duration::from_millis(if stormy { 700 } else { 50 }),
            lost_push_one_in: if self.one_in(3) { 4 } else { 1_000_000 },
        }
    }

    fn processes(&mut self) -> Vec<ProcessPlan> {
        let many_waiters = self.theme == Theme::ManyWaiters;
        let count = if many_waiters { 2 } else { self.chance.usize(1..=MAX_PROCESSES) };
        let mut processes: Vec<_> = (0..count).map(|_| self.member(Duration::ZERO)).collect();
        if !many_waiters && self.one_in(4) {
            let starts_at = self.millis(4_000);
            processes.push(self.member(starts_at));
        }
        processes
    }

    /// A process without a grace period after a data loss, with a lock of its own.
    fn unprotected_process(&mut self) -> ProcessPlan {
        let own = self.keys;
        let mut member = self.member(Duration::ZERO);
        for step in member.tasks.iter_mut().flat_map(|task| &mut task.steps) {
            step.nested.clear();
            step.siblings = false;
            step.ask.keys = vec![own];
            step.work = Work::Write;
        }
        ProcessPlan { data_loss_grace: false, ..member }
    }

    fn member(&mut self, starts_at: Duration) -> ProcessPlan {
        let tasks = self.chance.usize(1..=4);
        ProcessPlan {
            starts_at,
            ttl: self.member_ttl(),
            data_loss_grace: true,
            replicas: Replicas::None,
            ppm: self.chance.i64(-2_000..=2_000),
            offset: Duration::from_secs(self.chance.u64(1..1_000_000)),
            tasks: (0..tasks).map(|_| self.task()).collect(),
        }
    }

    fn member_ttl(&mut self) -> Duration {
        match self.chance.u32(..6) {
            0 => Duration::from_millis(TTLS[self.chance.usize(..TTLS.len())]),
            1 if self.theme != Theme::ManyWaiters => self.long_ttl(),
            _ => self.ttl,
        }
    }

    fn long_ttl(&mut self) -> Duration {
        Duration::from_millis(LONG_TTLS[self.chance.usize(..LONG_TTLS.len())])
    }

    fn ask_ttl(&mut self) -> Option<Duration> {
        match self.chance.u32(..24) {
            0..4 => Some(self.up_to(self.ttl).max(Duration::from_millis(100))),
            4 => Some(self.long_ttl()),
            _ => None,
        }
    }

    fn task(&mut self) -> Task {
        let most = match self.theme {
            Theme::ManyWaiters => 40,
            Theme::Hot => 8,
            Theme::Mixed | Theme::Cancelled => 5,
            Theme::Nested | Theme::Long | Theme::Queue => 3,
        };
        let steps = self.chance.usize(1..=most);
        Task { steps: (0..steps).map(|_| self.step(0)).collect() }
    }

    fn step(&mut self, depth: u32) -> Step {
        let nested = self.nested(depth);
        let long = self.one_in(8);
        let hold = match self.theme {
            Theme::ManyWaiters => self.millis(1),
            Theme::Hot => self.millis(6),
            Theme::Queue => self.millis(3_000),
            Theme::Long => self.up_to(self.ttl * 3),
            Theme::Mixed | Theme::Nested | Theme::Cancelled if long => self.up_to(self.ttl * 2),
            Theme::Mixed | Theme::Nested | Theme::Cancelled => self.millis(60),
        };
        let cancelled = match self.theme {
            Theme::Cancelled => self.one_in(2),
            Theme::ManyWaiters => false,
            _ => self.one_in(20),
        };
        Step {
            pause: self.pause(),
            ask: self.ask(depth),
            cancel: cancelled.then(|| self.moment()),
            work: if self.chance.bool() { Work::Write } else { Work::Count },
            hold,
            siblings: nested.len() > 1 && self.chance.bool(),
            // Their end is awaited after all enclosing holds are released.
            foreign_tasks: depth == 0
                && !nested.is_empty()
                && self.foreign_chance.u32(..FOREIGN_ONE_IN) == 0,
            nested,
            wait_for_release: self.one_in(6),
        }
    }

    fn pause(&mut self) -> Duration {
        let seldom = self.one_in(3);
        match self.theme {
            Theme::ManyWaiters => self.millis(1),
            Theme::Hot
            | Theme::Mixed
            | Theme::Nested
            | Theme::Cancelled
            | Theme::Long
            | Theme::Queue
                if seldom =>
            {
                self.millis(800)
            }
            _ => self.millis(8),
        }
    }

    /// When to cancel: immediately, or after a while.
    fn moment(&mut self) -> Duration {
        let most = if self.chance.bool() { 2 } else { 3_000 };
        self.millis(most)
    }

    fn nested(&mut self, depth: u32) -> Vec<Step> {
        let (deepest, chances) = match self.theme {
            Theme::Nested => (4, 2),
            Theme::ManyWaiters | Theme::Queue => (0, 1),
            _ => (2, 8),
        };
        if depth >= deepest || !self.one_in(chances) {
            return Vec::new();
        }
        let count = self.chance.usize(1..=2);
        (0..count).map(|_| self.step(depth + 1)).collect()
    }

    fn ask(&mut self, depth: u32) -> RequestPlan {
        if self.theme == Theme::ManyWaiters {
            let strict_fifo = self.one_in(6);
            let linger =
                if !strict_fifo && self.one_in(6) { self.millis(1_000) } else { Duration::ZERO };
            return RequestPlan { linger, strict_fifo, ..RequestPlan::for_key(0) };
        }
        if self.theme == Theme::Queue {
            let min_hold = self.min_hold(None);
            return RequestPlan { strict_fifo: true, min_hold, ..RequestPlan::for_key(0) };
        }
        let keys = if self.lists && self.one_in(6) {
            (0..self.keys).collect()
        } else {
            vec![self.chance.u32(..self.keys)]
        };
        let wait = match self.chance.u32(..10) {
            0 => Some(Duration::ZERO),
            1..5 => Some(self.millis(6_000) + Duration::from_millis(1)),
            // A nested request can keep the enclosing section from ending.
            5..8 if depth > 0 => Some(self.millis(2_000)),
            _ => None,
        };
        let strict_fifo = self.one_in(6);
        let ttl = self.ask_ttl();
        let linger =
            if !strict_fifo && self.one_in(5) { self.millis(1_000) } else { Duration::ZERO };
        let renew = !self.one_in(8);
        let max_hold = self.one_in(12).then(|| self.up_to(self.ttl * 3).max(self.ttl / 2));
        RequestPlan {
            keys,
            wait,
            ttl,
            linger,
            strict_fifo,
            renew,
            max_hold,
            min_hold: self.min_hold(max_hold),
            must_succeed: false,
        }
    }

    /// Not longer than the maximum, which the library refuses.
    fn min_hold(&mut self, max_hold: Option<Duration>) -> Option<Duration> {
        if self.kept_chance.u32(..KEPT_ONE_IN) > 0 {
            return None;
        }
        let min_hold = (self.ttl * 2).mul_f64(self.kept_chance.f64());
        Some(max_hold.map_or(min_hold, |max_hold| max_hold.min(min_hold)))
    }

    fn faults(&mut self, processes: usize) -> Vec<Fault> {
        let none = self.theme == Theme::ManyWaiters || self.one_in(8);
        let most = if self.theme == Theme::Queue { 2 } else { 6 };
        let count = if none { 0 } else { self.chance.usize(1..=most) };
        let mut faults: Vec<_> = (0..count).map(|_| self.fault(processes)).collect();
        faults.sort_by_key(|fault| fault.at);
        faults
    }

    /// Adds failovers to some plans, half of them without any other fault.
    fn add_failovers(&mut self, faults: &mut Vec<Fault>) -> AfterFailover {
        let chance = &mut self.failover_chance;
        if chance.u32(..FAILOVERS_ONE_IN) > 0 || self.theme == Theme::ManyWaiters {
            return AfterFailover::default();
        }
        if chance.bool() {
            faults.clear();
        }
        for _ in 0..chance.u32(1..=2) {
            let mut millis = |most: u64| {
                let share = chance.f64();
                Duration::from_millis(if share < 0.3 { 0 } else { chance.u64(..most) })
            };
            let (at, lag, span) = (millis(3_000), millis(500), millis(800));
            faults.push(Fault { at, what: FaultKind::Failover { lag: lag.min(at), span } });
        }
        faults.sort_by_key(|fault| fault.at);
        match chance.u32(..5) {
            0 => AfterFailover::AtOnce,
            1 => AfterFailover::WholeTtl,
            _ => AfterFailover::default(),
        }
    }

    /// Has all processes ask for one lock around the failovers of some plans, for short sections
    /// and for some that are longer than a ttl. One of the processes may not reach the new primary
    /// for a while.
    fn add_crowd(&mut self, processes: &mut [ProcessPlan], faults: &mut Vec<Fault>) {
        let chance = &mut self.crowd_chance;
        let promotes = |fault: &&Fault| matches!(fault.what, FaultKind::Failover { .. });
        let failovers: Vec<_> = faults.iter().filter(promotes).map(|fault| fault.at).collect();
        if failovers.is_empty() || chance.u32(..CROWD_ONE_IN) > 0 {
            return;
        }
        let one_primary = chance.bool();
        for fault in faults.iter_mut() {
            if let FaultKind::Failover { span, .. } = &mut fault.what
                && one_primary
            {
                *span = Duration::ZERO;
            }
        }
        let last = failovers.iter().max().copied().unwrap_or_default();
        for member in processes.iter_mut().filter(|member| member.data_loss_grace) {
            member.ttl = Duration::from_millis(CROWD_TTLS[chance.usize(..CROWD_TTLS.len())]);
            for task in &mut member.tasks {
                // Until after the failovers.
                let first = task.steps[0].clone();
                task.steps.resize(task.steps.len().max(6), first);
            }
            for step in member.tasks.iter_mut().flat_map(|task| &mut task.steps) {
                let longest = if chance.u32(..3) == 0 { 1_500 } else { 20 };
                step.hold = Duration::from_millis(1 + chance.u64(..longest));
                step.pause = (last / 3).mul_f64(chance.f64());
                step.ask =
                    RequestPlan { strict_fifo: step.ask.strict_fifo, ..RequestPlan::for_key(0) };
                step.nested.clear();
                (step.siblings, step.foreign_tasks) = (false, false);
            }
        }
        if chance.bool() {
            let at = failovers[chance.usize(..failovers.len())];
            let at = at.saturating_sub(Duration::from_millis(chance.u64(..100)));
            let process = chance.usize(..processes.len());
            let span = Duration::from_millis(chance.u64(100..3_000));
            faults.push(Fault { at, what: FaultKind::BlackHole { process, span } });
            faults.sort_by_key(|fault| fault.at);
        }
    }

    /// Has a replica confirm the holds of all processes or of some, mostly where it is promoted. An
    /// old primary that goes on was frozen before in some of these plans.
    fn add_confirmations(&mut self, processes: &mut [ProcessPlan], faults: &mut Vec<Fault>) {
        let chance = &mut self.confirmed_chance;
        let promotes = |fault: &Fault| matches!(fault.what, FaultKind::Failover { .. });
        let one_in = if faults.iter().any(promotes) { 2 } else { 8 };
        if chance.u32(..one_in) > 0 {
            return;
        }
        let all = chance.bool();
        for member in processes {
            if all || chance.bool() {
                member.replicas = if chance.bool() { Replicas::All } else { 1.into() };
            }
        }
        let mut freezes = Vec::new();
        for fault in &*faults {
            if let FaultKind::Failover { lag, span } = fault.what
                && !span.is_zero()
                && chance.bool()
            {
                let span = lag + span.mul_f64(chance.f64());
                let at = fault.at.saturating_sub(lag);
                freezes.push(Fault { at, what: FaultKind::Freeze { span } });
            }
        }
        // Before a failover of the same instant.
        faults.splice(..0, freezes);
        faults.sort_by_key(|fault| fault.at);
    }

    /// Has a cluster of some plans, with slots that are migrated. A node that forgets its data or
    /// whose clock is set is no fault of these plans: nobody notices that of a slot that was not
    /// used before.
    fn add_nodes(&mut self, processes: &mut [ProcessPlan], faults: &mut Vec<Fault>) -> usize {
        let chance = &mut self.cluster_chance;
        if chance.u32(..CLUSTER_ONE_IN) > 0 || self.theme == Theme::ManyWaiters {
            return 1;
        }
        let nodes = chance.usize(2..=3);
        faults.retain(|fault| {
            !fault.what.forgets_tokens()
                && !matches!(fault.what, FaultKind::Delete { .. } | FaultKind::Jump { .. })
        });
        for member in processes {
            member.replicas = Replicas::None;
            member.data_loss_grace = true;
        }
        let mut at = Duration::ZERO;
        for _ in 0..chance.u32(..6) {
            let mut millis = |most: u64| {
                let share = chance.f64();
                Duration::from_millis(most).mul_f64(share * share * share)
            };
            at += millis(1_500);
            let phases = [millis(400), millis(400), millis(400)];
            let (key, by) = (chance.u32(..self.keys), chance.usize(1..nodes));
            faults.push(Fault { at, what: FaultKind::Migrate { key, by, phases } });
        }
        faults.sort_by_key(|fault| fault.at);
        nodes
    }

    fn fault(&mut self, processes: usize) -> Fault {
        // Half of the faults come early, when most requests run.
        let at = if self.chance.bool() { self.millis(100) } else { self.millis(4_000) };
        Fault { at, what: self.fault_kind(processes) }
    }

    fn fault_kind(&mut self, processes: usize) -> FaultKind {
        let process = self.chance.usize(..processes);
        if self.theme == Theme::Queue {
            return FaultKind::Crash { process };
        }
        let span = if self.chance.bool() { self.up_to(self.ttl * 2) } else { self.millis(6_000) };
        match self.chance.u32(..20) {
            0..4 => FaultKind::Cut {
                process,
                late: if self.one_in(2) { self.millis(8_000) } else { Duration::ZERO },
                unnoticed: match self.chance.u32(..12) {
                    0 => FaultKind::FOREVER,
                    1..5 => span,
                    _ => Duration::ZERO,
                },
            },
            4 => FaultKind::BlackHole { process, span },
            5..8 => FaultKind::Pause { process, span },
            8 | 9 => FaultKind::Crash { process },
            10 => FaultKind::Freeze { span },
            11 => FaultKind::Restart { span },
            12 => FaultKind::RestartEmpty { span },
            13 => FaultKind::Flush,
            14 => FaultKind::ForgetScripts,
            15 => FaultKind::Unable { span },
            16 => FaultKind::Full { span },
            17 => FaultKind::Jump { millis: self.jump() },
            _ => FaultKind::Delete { key: self.chance.u32(..self.keys), part: self.part() },
        }
    }

    fn jump(&mut self) -> i64 {
        const JUMPS: [i64; 4] = [1_000, 60_000, -1_000, -60_000];
        JUMPS[self.chance.usize(..JUMPS.len())]
    }

    fn part(&mut self) -> Part {
        const PARTS: [Part; 3] = [Part::Hold, Part::Queue, Part::Fence];
        PARTS[self.chance.usize(..PARTS.len())]
    }
}
