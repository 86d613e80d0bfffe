//! Plans from seeds.

use std::time::Duration;

use fastrand::Rng;

use super::{Ask, Fault, Member, Misfortune, Part, Plan, Step, Task, Weather, Work};

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        Drawing::new(seed).plan()
    }
}

/// What most plans do, so that each finds its own kind of trouble more often.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Theme {
    /// One key that all want, short sections.
    Hot,
    /// A few keys, sections of all lengths.
    Mixed,
    /// Sections in sections, in any order of keys.
    Nested,
    /// Half of all requests are dropped.
    Cancelled,
    /// Sections longer than their ttl.
    Long,
    /// Two processes that want one key all the time, in good weather: whose turn is it?
    Crowd,
    /// Long waits on the server's queue in good weather, where holders and waiters die: does it keep its order?
    Queue,
}

struct Drawing {
    chance: Rng,
    /// Draws the strangers, which no task calls. Separate from `chance`, so that it changes nothing else of a plan.
    strange: Rng,
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
/// One plan in so many is a crowd, which takes ten times as long as others.
const CROWD_ONE_IN: u32 = 20;
/// What is inside of one section in so many was not called by it.
const STRANGERS_ONE_IN: u32 = 3;
/// Makes another seed of a plan's.
const STRANGE: u64 = 0x5354_5241_4e47_4552;
/// In milliseconds.
const TTLS: [u64; 5] = [120, 300, 600, 1_500, 4_000];
/// Of what lasts longer than most, in milliseconds.
const LONG_TTLS: [u64; 3] = [4_000, 9_000, 20_000];
/// As many processes as a plan has from the beginning.
const MOST_PROCESSES: usize = 4;

impl Drawing {
    fn new(seed: u64) -> Self {
        let mut chance = Rng::with_seed(seed);
        let crowd = chance.u32(..CROWD_ONE_IN) == 0;
        let theme = if crowd { Theme::Crowd } else { THEMES[chance.usize(..THEMES.len())] };
        let keys = if matches!(theme, Theme::Hot | Theme::Crowd | Theme::Queue) {
            1
        } else {
            chance.u32(1..=3)
        };
        let ttl = Duration::from_millis(TTLS[chance.usize(..TTLS.len())]);
        let lists = keys > 1 && chance.bool();
        let strange = Rng::with_seed(seed ^ STRANGE);
        Self { chance, strange, seed, theme, keys, lists, ttl }
    }

    fn plan(mut self) -> Plan {
        let mut processes = self.processes();
        if processes.len() > 1 && self.theme != Theme::Crowd && self.one_in(8) {
            processes.push(self.careless());
            self.keys += 1;
        }
        let faults = self.faults(processes.len());
        Plan {
            seed: self.seed,
            keys: self.keys,
            max_handoffs: if self.one_in(4) { 0 } else { 8 },
            weather: self.weather(),
            server_ppm: self.chance.i64(-2_000..=2_000),
            processes,
            faults,
            visited: !self.one_in(4),
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

    fn weather(&mut self) -> Weather {
        if matches!(self.theme, Theme::Crowd | Theme::Queue) {
            return Weather::GOOD;
        }
        let stormy = self.one_in(3);
        Weather {
            usual: Duration::from_micros(if self.one_in(4) { 20_000 } else { 400 }),
            slow_one_in: if stormy { 12 } else { 400 },
            slow: Duration::from_millis(if stormy { 700 } else { 50 }),
            lost_push_one_in: if self.one_in(3) { 4 } else { 1_000_000 },
        }
    }

    fn processes(&mut self) -> Vec<Member> {
        let crowd = self.theme == Theme::Crowd;
        let count = if crowd { 2 } else { self.chance.usize(1..=MOST_PROCESSES) };
        let mut processes: Vec<_> = (0..count).map(|_| self.member(Duration::ZERO)).collect();
        if !crowd && self.one_in(4) {
            let born = self.millis(4_000);
            processes.push(self.member(born));
        }
        processes
    }

    /// One that does not wait out a loss of data, with a lock of its own.
    fn careless(&mut self) -> Member {
        let own = self.keys;
        let mut member = self.member(Duration::ZERO);
        for step in member.tasks.iter_mut().flat_map(|task| &mut task.steps) {
            step.inside.clear();
            step.siblings = false;
            step.ask.keys = vec![own];
            step.work = Work::Write;
        }
        Member { waits_out: false, ..member }
    }

    fn member(&mut self, born: Duration) -> Member {
        let tasks = self.chance.usize(1..=4);
        Member {
            born,
            ttl: self.member_ttl(),
            waits_out: true,
            ppm: self.chance.i64(-2_000..=2_000),
            offset: Duration::from_secs(self.chance.u64(1..1_000_000)),
            tasks: (0..tasks).map(|_| self.task()).collect(),
        }
    }

    fn member_ttl(&mut self) -> Duration {
        match self.chance.u32(..6) {
            0 => Duration::from_millis(TTLS[self.chance.usize(..TTLS.len())]),
            1 if self.theme != Theme::Crowd => self.long_ttl(),
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
            Theme::Crowd => 40,
            Theme::Hot => 8,
            Theme::Mixed | Theme::Cancelled => 5,
            Theme::Nested | Theme::Long | Theme::Queue => 3,
        };
        let steps = self.chance.usize(1..=most);
        Task { steps: (0..steps).map(|_| self.step(0)).collect() }
    }

    fn step(&mut self, depth: u32) -> Step {
        let inside = self.inside(depth);
        let long = self.one_in(8);
        let hold = match self.theme {
            Theme::Crowd => self.millis(1),
            Theme::Hot => self.millis(6),
            Theme::Queue => self.millis(3_000),
            Theme::Long => self.up_to(self.ttl * 3),
            Theme::Mixed | Theme::Nested | Theme::Cancelled if long => self.up_to(self.ttl * 2),
            Theme::Mixed | Theme::Nested | Theme::Cancelled => self.millis(60),
        };
        let cancelled = match self.theme {
            Theme::Cancelled => self.one_in(2),
            Theme::Crowd => false,
            _ => self.one_in(20),
        };
        Step {
            pause: self.pause(),
            ask: self.ask(depth),
            cancel: cancelled.then(|| self.moment()),
            work: if self.chance.bool() { Work::Write } else { Work::Count },
            hold,
            siblings: inside.len() > 1 && self.chance.bool(),
            // They are waited for when all holds around them are let go.
            strangers: depth == 0
                && !inside.is_empty()
                && self.strange.u32(..STRANGERS_ONE_IN) == 0,
            inside,
            confirmed: self.one_in(6),
        }
    }

    fn pause(&mut self) -> Duration {
        let seldom = self.one_in(3);
        match self.theme {
            Theme::Crowd => self.millis(1),
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

    /// When to give up: at once, or after a while.
    fn moment(&mut self) -> Duration {
        let most = if self.chance.bool() { 2 } else { 3_000 };
        self.millis(most)
    }

    fn inside(&mut self, depth: u32) -> Vec<Step> {
        let (deepest, chances) = match self.theme {
            Theme::Nested => (4, 2),
            Theme::Crowd | Theme::Queue => (0, 1),
            _ => (2, 8),
        };
        if depth >= deepest || !self.one_in(chances) {
            return Vec::new();
        }
        let count = self.chance.usize(1..=2);
        (0..count).map(|_| self.step(depth + 1)).collect()
    }

    fn ask(&mut self, depth: u32) -> Ask {
        if self.theme == Theme::Crowd {
            let global = self.one_in(6);
            let linger =
                if !global && self.one_in(6) { self.millis(1_000) } else { Duration::ZERO };
            return Ask { linger, global, ..Ask::plainly(0) };
        }
        if self.theme == Theme::Queue {
            return Ask { global: true, ..Ask::plainly(0) };
        }
        let keys = if self.lists && self.one_in(6) {
            (0..self.keys).collect()
        } else {
            vec![self.chance.u32(..self.keys)]
        };
        let wait = match self.chance.u32(..10) {
            0 => Some(Duration::ZERO),
            1..5 => Some(self.millis(6_000) + Duration::from_millis(1)),
            // What is asked for inside of something else may keep that one from ending.
            5..8 if depth > 0 => Some(self.millis(2_000)),
            _ => None,
        };
        let global = self.one_in(6);
        Ask {
            keys,
            wait,
            ttl: self.ask_ttl(),
            linger: if !global && self.one_in(5) { self.millis(1_000) } else { Duration::ZERO },
            global,
            renew: !self.one_in(8),
            max_hold: self.one_in(12).then(|| self.up_to(self.ttl * 3).max(self.ttl / 2)),
            must_succeed: false,
        }
    }

    fn faults(&mut self, processes: usize) -> Vec<Fault> {
        let none = self.theme == Theme::Crowd || self.one_in(8);
        let most = if self.theme == Theme::Queue { 2 } else { 6 };
        let count = if none { 0 } else { self.chance.usize(1..=most) };
        let mut faults: Vec<_> = (0..count).map(|_| self.fault(processes)).collect();
        faults.sort_by_key(|fault| fault.at);
        faults
    }

    fn fault(&mut self, processes: usize) -> Fault {
        // Most of it happens early, when most is under way.
        let at = if self.chance.bool() { self.millis(100) } else { self.millis(4_000) };
        Fault { at, what: self.misfortune(processes) }
    }

    fn misfortune(&mut self, processes: usize) -> Misfortune {
        let process = self.chance.usize(..processes);
        if self.theme == Theme::Queue {
            return Misfortune::Crash { process };
        }
        let span = if self.chance.bool() { self.up_to(self.ttl * 2) } else { self.millis(6_000) };
        match self.chance.u32(..20) {
            0..4 => Misfortune::Cut {
                process,
                late: if self.one_in(2) { self.millis(8_000) } else { Duration::ZERO },
                unnoticed: match self.chance.u32(..12) {
                    0 => Misfortune::FOREVER,
                    1..5 => span,
                    _ => Duration::ZERO,
                },
            },
            4 => Misfortune::BlackHole { process, span },
            5..8 => Misfortune::Pause { process, span },
            8 | 9 => Misfortune::Crash { process },
            10 => Misfortune::Freeze { span },
            11 => Misfortune::Restart { span },
            12 => Misfortune::RestartEmpty { span },
            13 => Misfortune::Flush,
            14 => Misfortune::ForgetScripts,
            15 => Misfortune::Unable { span },
            16 => Misfortune::Full { span },
            17 => Misfortune::Jump { millis: self.jump() },
            _ => Misfortune::Delete { key: self.chance.u32(..self.keys), part: self.part() },
        }
    }

    fn jump(&mut self) -> i64 {
        const JUMPS: [i64; 4] = [1_000, 60_000, -1_000, -60_000];
        JUMPS[self.chance.usize(..JUMPS.len())]
    }

    fn part(&mut self) -> Part {
        const PARTS: [Part; 4] = [Part::Hold, Part::Queue, Part::Cancelled, Part::Fence];
        PARTS[self.chance.usize(..PARTS.len())]
    }
}
