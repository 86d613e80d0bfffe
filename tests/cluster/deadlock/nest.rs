//! Random keys, each above all keys that the code already holds.
//!
//! This order prevents deadlocks: a call waits only for keys above its enclosing ones. Branches
//! under one hold exclude each other when they re-enter its key; that exclusion is ordered right
//! after the key, so a branch may only re-enter before it acquires another key.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use distlock::{LockError, LockManager, SharedHold, current};
use tokio::task::JoinHandle;

use super::Dice;
use super::steps::{beside, beside_async, section, section_async, sections, sections_async};

/// So many keys there are.
const KEYS: usize = 12;
/// As long as it takes, and short enough that a test which hangs fails.
pub const PATIENCE: Duration = Duration::from_secs(300);
/// When the watch of a wait begins, at the latest.
const WATCHED: Duration = Duration::from_millis(220);

/// Where some code is: what it may take, and enter again.
#[derive(Clone, Debug)]
pub struct Path {
    /// The first key after all that are held.
    next: usize,
    /// How many steps are left.
    left: usize,
    /// Held keys that may be entered again.
    again: Vec<usize>,
    /// Whether others run under the innermost hold too: then it may be entered again in the first
    /// step only.
    beside_others: bool,
}

impl Path {
    pub fn new(dice: &mut Dice) -> Self {
        Self { next: 0, left: 1 + dice.below(5), again: Vec::new(), beside_others: false }
    }

    /// That of a branch, of a task with a share, or of who goes on beside one.
    fn beside_others(&self) -> Self {
        let innermost = self.again.last().copied().into_iter().collect();
        Self { again: innermost, beside_others: true, ..self.clone() }
    }

    /// A key for a guard that is acquired beside the holds, and entered inside of them: only its
    /// own key can be entered again there. `None` at the end.
    fn beside_holds(mut self, dice: &mut Dice) -> Option<(usize, Self)> {
        self.left = self.left.checked_sub(1)?;
        let room = KEYS.checked_sub(self.next + 1)?;
        let key = self.next + dice.below(room.min(3) + 1);
        (self.next, self.again, self.beside_others) = (key + 1, vec![key], false);
        Some((key, self))
    }

    /// The next step; `None` at the end.
    fn step(mut self, dice: &mut Dice) -> Option<(Step, Self)> {
        self.left = self.left.checked_sub(1)?;
        let again = if self.again.is_empty() { None } else { Some(dice.pick(&self.again)) };
        let room = KEYS - self.next;
        // Not so far that the first steps use up the keys.
        let near = |dice: &mut Dice, room: usize| dice.below(room.min(4));
        let step = match again.filter(|_| dice.one_in(4)) {
            Some(key) => Step::One(key),
            None if room >= 2 && dice.one_in(4) => {
                let first = self.next + near(dice, room - 1);
                let second = first + 1 + near(dice, KEYS - first - 1);
                Step::Many(again.filter(|_| dice.one_in(2)), first, second)
            }
            None if room >= 1 => Step::One(self.next + near(dice, room)),
            None => return None,
        };
        if std::mem::take(&mut self.beside_others) && !step.enters_again(&self) {
            self.again.clear();
        }
        for key in step.keys() {
            self.next = self.next.max(key + 1);
            self.again.retain(|&held| held != key);
            self.again.push(key);
        }
        Some((step, self))
    }
}

/// What is taken next.
#[derive(Clone, Copy, Debug)]
enum Step {
    One(usize),
    /// A list, perhaps with a key that is held already.
    Many(Option<usize>, usize, usize),
}

impl Step {
    /// In their order.
    fn keys(self) -> impl Iterator<Item = usize> {
        let keys = match self {
            Self::One(key) => [Some(key), None, None],
            Self::Many(again, first, second) => [again, Some(first), Some(second)],
        };
        keys.into_iter().flatten()
    }

    fn enters_again(self, path: &Path) -> bool {
        self.keys().any(|key| path.again.contains(&key))
    }
}

/// What all threads and tasks of a process share; each of them keeps it.
pub struct Nest {
    pub locks: LockManager,
    pub counts: Counts,
}

impl Nest {
    pub fn new(locks: LockManager) -> Self {
        Self { locks, counts: Counts::default() }
    }

    /// One step in, and the rest of the path inside of it.
    pub fn descend(&self, dice: &mut Dice, path: Path) {
        let again = path.again.clone();
        if !again.is_empty() && dice.one_in(5) {
            return self.enter_beside(dice, path);
        }
        let Some((step, path)) = path.step(dice) else {
            return thread::sleep(work(dice));
        };
        self.counts.step(step, &again);
        let attempt = Attempt::new(dice);
        let outcome = match step {
            Step::One(key) => section(self, key, &attempt, dice, path),
            Step::Many(..) => {
                let keys: Vec<_> = step.keys().collect();
                sections(self, [keys[0], keys[1], keys[keys.len() - 1]], &attempt, dice, path)
            }
        };
        self.settle(&attempt, outcome);
    }

    fn enter_beside(&self, dice: &mut Dice, path: Path) {
        let Some((key, path)) = path.beside_holds(dice) else {
            return thread::sleep(work(dice));
        };
        let attempt = Attempt::new(dice);
        let outcome = beside(self, key, &attempt).map(|guard| {
            self.counts.beside.add();
            attempt.count(&self.counts);
            guard.enter(|| self.descend(dice, path));
        });
        self.settle(&attempt, outcome);
    }

    /// The same for tasks, which may also branch, share and give up.
    pub fn descend_async(
        self: &Arc<Self>,
        mut dice: Dice,
        path: Path,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let nest = Arc::clone(self);
        Box::pin(async move {
            let holds = !path.again.is_empty();
            match dice.below(10) {
                0 | 1 if holds && path.left > 1 => nest.branch(dice, path).await,
                2 | 3 if holds && path.left > 1 => nest.share(dice, path).await,
                4 if holds => nest.enter_beside_async(dice, path).await,
                5 => {
                    let limit = dice.millis(600);
                    let descent = nest.descend_async(dice, path);
                    if tokio::time::timeout(limit, descent).await.is_err() {
                        nest.counts.cancelled.add();
                    }
                }
                _ => nest.step_async(dice, path).await,
            }
        })
    }

    async fn step_async(self: &Arc<Self>, mut dice: Dice, path: Path) {
        let again = path.again.clone();
        let Some((step, path)) = path.step(&mut dice) else {
            return tokio::time::sleep(work(&mut dice)).await;
        };
        self.counts.step(step, &again);
        let attempt = Attempt::new(&mut dice);
        let outcome = match step {
            Step::One(key) => section_async(self, key, &attempt, dice, path).await,
            Step::Many(..) => {
                let keys: Vec<_> = step.keys().collect();
                let keys = [keys[0], keys[1], keys[keys.len() - 1]];
                sections_async(self, keys, &attempt, dice, path).await
            }
        };
        self.settle(&attempt, outcome);
    }

    async fn enter_beside_async(self: &Arc<Self>, mut dice: Dice, path: Path) {
        let Some((key, path)) = path.beside_holds(&mut dice) else {
            return tokio::time::sleep(work(&mut dice)).await;
        };
        let attempt = Attempt::new(&mut dice);
        let outcome = match beside_async(self, key, &attempt).await {
            Ok(guard) => {
                self.counts.beside.add();
                attempt.count(&self.counts);
                guard.scope(self.descend_async(dice, path)).await
            }
            Err(error) => Err(error),
        };
        self.settle(&attempt, outcome);
    }

    async fn branch(self: &Arc<Self>, mut dice: Dice, path: Path) {
        self.counts.branched.add();
        let path = path.beside_others();
        let branch = |dice: Dice| self.descend_async(dice, path.clone());
        tokio::join!(branch(dice.fork()), branch(dice.fork()));
    }

    /// A task or thread with a share of the innermost hold goes on beside this one, and perhaps for
    /// longer.
    async fn share(self: &Arc<Self>, mut dice: Dice, path: Path) {
        let shared = current().expect("it holds a key").share().expect("the hold is valid");
        self.counts.shared.add();
        let path = path.beside_others();
        let task = self.spawn(shared, &mut dice, path.clone());
        self.descend_async(dice.fork(), path).await;
        if dice.one_in(2) {
            task.await.expect("no task panics");
        }
    }

    fn spawn(self: &Arc<Self>, shared: SharedHold, dice: &mut Dice, path: Path) -> JoinHandle<()> {
        let (nest, mut own) = (Arc::clone(self), dice.fork());
        if dice.one_in(3) {
            return tokio::task::spawn_blocking(move || {
                shared.run(|| nest.descend(&mut own, path));
            });
        }
        tokio::spawn(shared.scope(async move { nest.descend_async(own, path).await }))
    }

    /// Who waits for as long as it takes must succeed.
    fn settle(&self, attempt: &Attempt, outcome: Result<(), LockError>) {
        match outcome {
            Ok(()) => {}
            // NoReply: the machine was too busy to bring the server's reply in so short a time.
            Err(LockError::Busy(_) | LockError::NoReply(_)) if attempt.wait < PATIENCE => {
                self.counts.gave_up.add();
            }
            // A panic of a task that nobody waits for would not show.
            Err(error) => {
                eprintln!("{error}");
                std::process::exit(1);
            }
        }
    }
}

/// For how long to work.
fn work(dice: &mut Dice) -> Duration {
    let bounds: [u64; 4] = [1, 1, 20, 400];
    let bound = dice.pick(&bounds);
    dice.millis(bound)
}

/// An attempt to enter a section.
pub struct Attempt {
    begun: Instant,
    pub wait: Duration,
}

impl Attempt {
    fn new(dice: &mut Dice) -> Self {
        let wait = if dice.one_in(6) { dice.millis(800) } else { PATIENCE };
        Self { begun: Instant::now(), wait }
    }

    /// It is inside now.
    pub fn count(&self, counts: &Counts) {
        counts.sections.add();
        if self.begun.elapsed() > WATCHED {
            counts.watched.add();
        }
    }
}

#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What was done.
#[derive(Debug, Default)]
pub struct Counts {
    sections: Count,
    lists: Count,
    again: Count,
    beside: Count,
    branched: Count,
    shared: Count,
    cancelled: Count,
    gave_up: Count,
    /// Sections that were waited for long enough to be watched.
    watched: Count,
}

impl Counts {
    const NAMES: [&str; 9] = [
        "sections",
        "lists",
        "re-entries",
        "guards entered beside",
        "branchings",
        "shares",
        "cancellations",
        "waits given up",
        "watched waits that ended well",
    ];

    fn all(&self) -> [&Count; 9] {
        let Self { sections, lists, again, beside, branched, shared, cancelled, gave_up, watched } =
            self;
        [sections, lists, again, beside, branched, shared, cancelled, gave_up, watched]
    }

    fn step(&self, step: Step, held: &[usize]) {
        if matches!(step, Step::Many(..)) {
            self.lists.add();
        }
        if step.keys().any(|key| held.contains(&key)) {
            self.again.add();
        }
    }

    pub fn parse(text: &str) -> Self {
        let counts = Self::default();
        for (count, word) in counts.all().into_iter().zip(text.split(", ")) {
            let number = word.split(' ').next().expect("a number");
            count.0.store(number.parse().expect("a number"), Ordering::Relaxed);
        }
        counts
    }

    pub fn add(&self, other: &Self) {
        for (count, more) in self.all().into_iter().zip(other.all()) {
            count.0.fetch_add(more.get(), Ordering::Relaxed);
        }
    }

    #[track_caller]
    pub fn assert_all_kinds(&self) {
        assert!(self.all().into_iter().all(|count| count.get() > 10), "{self}");
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = self.all().into_iter().zip(Self::NAMES);
        let texts: Vec<_> = texts.map(|(count, name)| format!("{} {name}", count.get())).collect();
        f.write_str(&texts.join(", "))
    }
}
