//! Deadlocks across processes, which a coordinator creates: one member of each gets an error soon.

use std::collections::HashMap;
use std::fmt;
use std::thread;
use std::time::Duration;

use distlock::error::CycleMember;
use distlock::{LockError, LockGuard, LockManager, distributed_lock};
use redis::Connection;

use super::super::fairness::wall_clock;
use super::{Dice, PROCESSES, Place, open, setting, urls};
use crate::support::process::{Orders, Process, orders};
use crate::support::{LIMIT, alone};

/// The limit from the beginning of a deadlock to its error.
const SOON: Duration = Duration::from_secs(1);
/// The limit on a very busy machine.
const AT_LAST: Duration = Duration::from_secs(3);
/// How many deadlocks exist at a time.
const AT_ONCE: usize = 16;

/// `DISTLOCK_CYCLES` sets another number.
#[test]
fn each_deadlock_is_reported_to_one_member_within_a_second() {
    if let Some(orders) = orders() {
        return obey(&orders);
    }
    let _machine = alone();
    run(&Place::server(), each_deadlock_is_reported_to_one_member_within_a_second);
}

#[test]
fn each_deadlock_of_a_cluster_is_reported_to_one_member_within_a_second() {
    if let Some(orders) = orders() {
        return obey(&orders);
    }
    let _machine = alone();
    run(&Place::cluster(), each_deadlock_of_a_cluster_is_reported_to_one_member_within_a_second);
}

fn run(place: &Place, test: impl Fn() + Copy) {
    let mut processes = place.start(test);
    let pids: Vec<_> = processes.iter_mut().map(Process::id).collect();
    let count = usize::try_from(setting("DISTLOCK_CYCLES", 60)).unwrap();
    let mut conductor = Conductor { connection: place.board.connection(), dice: Dice::new() };
    let mut under_way: HashMap<usize, Cycle> = HashMap::new();
    let mut delays = Vec::new();
    let mut begun = 0;
    while delays.len() < count {
        let at_once = 1 + conductor.dice.below(AT_ONCE);
        while begun < count && under_way.len() < at_once {
            under_way.insert(begun, conductor.begin(begun));
            begun += 1;
        }
        let report = conductor.report();
        let cycle = under_way.get_mut(&report.cycle).expect("it was begun");
        let number = report.cycle;
        cycle.reports.push(report);
        if cycle.reports.len() == cycle.parts.len() {
            delays.push(under_way.remove(&number).expect("it is there").delay(&pids));
        }
    }
    for number in 0..PROCESSES {
        conductor.order(number, "end");
    }
    for process in processes {
        process.finish();
    }
    assert_soon(delays);
    place.until_nothing_is_left();
}

fn assert_soon(mut delays: Vec<Duration>) {
    delays.sort_unstable();
    let count = delays.len();
    let late = delays.iter().filter(|&&delay| delay >= SOON).count();
    let at = |percent: usize| delays[(count * percent / 100).min(count - 1)];
    println!(
        "{count} cycles, {count} errors, one each; notified after {:?} (min), {:?} (median), \
         {:?} (90 %), {:?} (99 %), {:?} at most; {late} after more than {SOON:?}",
        at(0),
        at(50),
        at(90),
        at(99),
        at(100)
    );
    assert!(at(50) < SOON && late <= count.div_ceil(100), "{late} of {count} were notified late");
    assert!(at(100) < AT_LAST);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Thread,
    Task,
}

/// What a member does before it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Between {
    Nothing,
    /// Acquires another key.
    Deeper,
    /// Re-enters its outer key.
    Again,
    /// Enters a guard of another key, which was acquired outside of the outer key.
    Beside,
}

/// A member of a cycle.
#[derive(Clone, Copy, Debug)]
struct Part {
    cycle: usize,
    number: usize,
    size: usize,
    style: Style,
    between: Between,
    /// Which manager of its process it uses.
    manager: usize,
    /// The delay before it requests the key of the next member.
    pause_ms: u64,
}

impl Part {
    const STYLES: [Style; 2] = [Style::Thread, Style::Task];
    const BETWEEN: [Between; 5] =
        [Between::Nothing, Between::Nothing, Between::Deeper, Between::Again, Between::Beside];

    fn outer(&self) -> String {
        format!("{}/{}", self.cycle, self.number)
    }

    fn inner(&self) -> String {
        format!("{}/{}", self.cycle, (self.number + 1) % self.size)
    }

    fn between(&self) -> Option<String> {
        match self.between {
            Between::Nothing => None,
            Between::Deeper | Between::Beside => Some(format!("{}/own", self.outer())),
            Between::Again => Some(self.outer()),
        }
    }

    fn parse(line: &str) -> Self {
        let words: Vec<usize> = line.split(' ').map(|word| word.parse().unwrap()).collect();
        Self {
            cycle: words[0],
            number: words[1],
            size: words[2],
            style: Self::STYLES[words[3]],
            between: Self::BETWEEN[words[4]],
            manager: words[5],
            pause_ms: words[6] as u64,
        }
    }

    fn pause(&self) -> Duration {
        Duration::from_millis(self.pause_ms)
    }

    /// Waits for the other members of the cycle.
    fn meet(&self, url: &str) {
        let mut connection = open(url);
        let (met, go) = (format!("test:met:{}", self.cycle), format!("test:go:{}", self.cycle));
        let here: usize = redis::cmd("INCR").arg(&met).query(&mut connection).unwrap();
        if here == self.size {
            let mut wake = redis::pipe();
            wake.cmd("DEL").arg(met);
            wake.cmd("RPUSH").arg(&go).arg(vec!["go"; self.size - 1]);
            wake.exec(&mut connection).unwrap();
        } else {
            let mut wait = redis::cmd("BLPOP");
            let woken: Option<(String, String)> =
                wait.arg(go).arg(LIMIT.as_secs()).query(&mut connection).unwrap();
            assert!(woken.is_some(), "the members of {self:?} never met");
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cycle, number, size, manager, pause_ms, .. } = self;
        let style = Self::STYLES.iter().position(|style| *style == self.style);
        let between = Self::BETWEEN.iter().position(|between| *between == self.between);
        let (style, between) = (style.unwrap_or_default(), between.unwrap_or_default());
        write!(f, "{cycle} {number} {size} {style} {between} {manager} {pause_ms}")
    }
}

#[distributed_lock("{}", part.outer(), manager = locks)]
fn outside(locks: &LockManager, part: Part, url: &str, asked: &mut u64) -> Result<(), LockError> {
    part.meet(url);
    thread::sleep(part.pause());
    match part.between() {
        Some(key) if part.between == Between::Beside => {
            beside(locks, &key)?.enter(|| asks(locks, part, asked))
        }
        Some(key) => between(locks, &key, part, asked),
        None => asks(locks, part, asked),
    }
}

/// A thread does not inherit the hold.
fn beside(locks: &LockManager, key: &str) -> Result<LockGuard, LockError> {
    let acquire = || locks.mutex(key).acquire_blocking();
    thread::scope(|scope| scope.spawn(acquire).join().unwrap())
}

#[distributed_lock("{key}", manager = locks)]
fn between(locks: &LockManager, key: &str, part: Part, asked: &mut u64) -> Result<(), LockError> {
    asks(locks, part, asked)
}

fn asks(locks: &LockManager, part: Part, asked: &mut u64) -> Result<(), LockError> {
    *asked = wall_clock();
    inside(locks, &part.inner())
}

#[distributed_lock("{key}", manager = locks)]
fn inside(locks: &LockManager, key: &str) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock("{}", part.outer(), manager = locks)]
async fn outside_async(
    locks: &LockManager,
    part: Part,
    url: &str,
    asked: &mut u64,
) -> Result<(), LockError> {
    let url = url.to_owned();
    tokio::task::spawn_blocking(move || part.meet(&url)).await.unwrap();
    tokio::time::sleep(part.pause()).await;
    match part.between() {
        Some(key) if part.between == Between::Beside => {
            let beside = locks.mutex(key);
            let beside = tokio::spawn(async move { beside.acquire().await }).await.unwrap()?;
            beside.scope(asks_async(locks, part, asked)).await?
        }
        Some(key) => between_async(locks, &key, part, asked).await,
        None => asks_async(locks, part, asked).await,
    }
}

#[distributed_lock("{key}", manager = locks)]
async fn between_async(
    locks: &LockManager,
    key: &str,
    part: Part,
    asked: &mut u64,
) -> Result<(), LockError> {
    asks_async(locks, part, asked).await
}

async fn asks_async(locks: &LockManager, part: Part, asked: &mut u64) -> Result<(), LockError> {
    *asked = wall_clock();
    inside_async(locks, &part.inner()).await
}

#[distributed_lock("{key}", manager = locks)]
async fn inside_async(locks: &LockManager, key: &str) -> Result<(), LockError> {
    Ok(())
}

/// In a child process: runs the members that it is given until the end.
fn obey(orders: &Orders) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    let (locks, board) = urls(orders);
    let managers = [(); 2].map(|()| LockManager::connect(locks).unwrap());
    let mut connection = open(board);
    let (mut threads, mut tasks) = (Vec::new(), Vec::new());
    loop {
        let mut next = redis::cmd("BLPOP");
        next.arg(format!("test:orders:{}", orders.name)).arg(0);
        let (_, line): (String, String) = next.query(&mut connection).unwrap();
        if line == "end" {
            break;
        }
        let part = Part::parse(&line);
        let (locks, url) = (managers[part.manager].clone(), board.to_owned());
        match part.style {
            Style::Thread => threads.push(thread::spawn(move || {
                let mut asked = 0;
                let outcome = outside(&locks, part, &url, &mut asked);
                tell(part, asked, outcome, &url);
            })),
            Style::Task => tasks.push(runtime.spawn(async move {
                let mut asked = 0;
                let outcome = outside_async(&locks, part, &url, &mut asked).await;
                tell(part, asked, outcome, &url);
            })),
        }
    }
    for thread in threads {
        thread.join().unwrap();
    }
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
}

fn tell(part: Part, asked: u64, outcome: Result<(), LockError>, url: &str) {
    let notified = wall_clock();
    let mut lines = vec![format!("{} {} {asked} {notified}", part.cycle, part.number)];
    match outcome {
        Ok(()) => {}
        Err(LockError::Deadlock(deadlock)) => {
            assert_eq!(*deadlock.key, *part.inner());
            let call =
                |call: &CycleMember| format!("{} {} {}", call.waits_for, call.function, call.pid);
            lines.extend(deadlock.cycle.iter().map(call));
        }
        Err(other) => lines.push(format!("another error: {other}")),
    }
    let text = lines.join("\n");
    redis::cmd("RPUSH").arg("test:reports").arg(text).exec(&mut open(url)).unwrap();
}

struct Conductor {
    connection: Connection,
    dice: Dice,
}

impl Conductor {
    /// Two or three members in random processes, in random order.
    fn begin(&mut self, cycle: usize) -> Cycle {
        let size = 2 + self.dice.below(2);
        let in_one = self.dice.one_in(6).then(|| self.dice.below(PROCESSES));
        let mut parts = Vec::new();
        for number in 0..size {
            let part = Part {
                cycle,
                number,
                size,
                style: self.dice.pick(&Part::STYLES),
                between: self.dice.pick(&Part::BETWEEN),
                manager: self.dice.below(2),
                pause_ms: if self.dice.one_in(2) { 0 } else { self.dice.next() % 700 },
            };
            let process = in_one.unwrap_or_else(|| self.dice.below(PROCESSES));
            parts.push((part, process));
        }
        for (part, process) in &parts {
            self.order(*process, &part.to_string());
        }
        Cycle { parts, reports: Vec::new() }
    }

    fn order(&mut self, process: usize, line: &str) {
        let mut order = redis::cmd("RPUSH");
        order.arg(format!("test:orders:{process}")).arg(line).exec(&mut self.connection).unwrap();
    }

    fn report(&mut self) -> Report {
        let mut next = redis::cmd("BLPOP");
        next.arg("test:reports").arg(LIMIT.as_secs());
        let text: Option<(String, String)> = next.query(&mut self.connection).unwrap();
        Report::parse(&text.expect("some member is always notified, or goes on").1)
    }
}

/// The outcome of a member.
#[derive(Debug)]
struct Report {
    cycle: usize,
    number: usize,
    asked: u64,
    notified: u64,
    /// The calls of the cycle, if it got the error.
    calls: Vec<String>,
}

impl Report {
    fn parse(text: &str) -> Self {
        let mut lines = text.lines();
        let head: Vec<u64> =
            lines.next().unwrap().split(' ').map(|word| word.parse().unwrap()).collect();
        Self {
            cycle: usize::try_from(head[0]).unwrap(),
            number: usize::try_from(head[1]).unwrap(),
            asked: head[2],
            notified: head[3],
            calls: lines.map(str::to_owned).collect(),
        }
    }
}

struct Cycle {
    /// The members, each with its process.
    parts: Vec<(Part, usize)>,
    reports: Vec<Report>,
}

impl Cycle {
    /// The time to the error. Exactly one member has an error, which lists all members in order,
    /// beginning with that one.
    fn delay(self, pids: &[u32]) -> Duration {
        let notified: Vec<_> =
            self.reports.iter().filter(|report| !report.calls.is_empty()).collect();
        let [notified] = notified[..] else {
            panic!("{} were notified: {:?}", notified.len(), self.reports)
        };
        let from_the_victim =
            self.parts.iter().cycle().skip(notified.number).take(self.parts.len());
        let expected: Vec<_> = from_the_victim
            .map(|(part, process)| {
                let function = match part.style {
                    Style::Thread => "inside",
                    Style::Task => "inside_async",
                };
                let module = module_path!();
                format!("{} {module}::{function} {}", part.inner(), pids[*process])
            })
            .collect();
        assert_eq!(notified.calls, expected);
        let closed = self.reports.iter().map(|report| report.asked).max().unwrap();
        Duration::from_nanos(
            notified.notified.checked_sub(closed).expect("not before it is closed"),
        )
    }
}
