//! Runs a model under many schedules.

use std::env;

/// Blocks until the future is ready. Only its waker wakes it: the spurious wake-ups of
/// `thread::park` would hide a missed wake-up.
pub(crate) use shuttle::future::block_on;
use shuttle::scheduler::{
    DfsScheduler, PctScheduler, RandomScheduler, Schedule, Scheduler, Task, TaskId,
};
use shuttle::{Config, Runner};

use crate::environment;

/// Most concurrency bugs need no more preemptions (Burckhardt et al., "A Randomized Scheduler with
/// Probabilistic Guarantees of Finding Bugs", 2010).
const PREEMPTIONS: usize = 3;
/// Stack frames are large in a build without optimisation.
const STACK: usize = 256 * 1024;

/// Runs `model` under this many random schedules and as many with few preemptions.
/// `DISTLOCK_SCHEDULES` overrides the number. `DISTLOCK_REPLAY` replays the one schedule that a
/// failure printed.
pub(crate) fn explore(model: fn(), schedules: usize) {
    if let Ok(schedule) = env::var("DISTLOCK_REPLAY") {
        return shuttle::replay(move || run_from_start(model), &schedule);
    }
    let asked = env::var("DISTLOCK_SCHEDULES").ok();
    let schedules = asked.map_or(schedules, |asked| asked.parse().expect("a number"));
    run(RandomScheduler::new(schedules), model);
    run(PctScheduler::new(PREEMPTIONS, schedules), model);
}

/// The same, where the thread that a model starts first moves the clock: it runs only while no
/// other thread can, so that time passes only while all wait.
pub(crate) fn explore_with_clock(model: fn(), schedules: usize) {
    if let Ok(schedule) = env::var("DISTLOCK_REPLAY") {
        return shuttle::replay(move || run_from_start(model), &schedule);
    }
    let asked = env::var("DISTLOCK_SCHEDULES").ok();
    let schedules = asked.map_or(schedules, |asked| asked.parse().expect("a number"));
    run(ClockLast(RandomScheduler::new(schedules)), model);
    run(ClockLast(PctScheduler::new(PREEMPTIONS, schedules)), model);
}

/// Runs the clock only while nothing else can.
struct ClockLast<S>(S);

impl<S: Scheduler> Scheduler for ClockLast<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.0.new_execution()
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        let clock = TaskId::from(1);
        // Without spurious wake-ups, which would hide a missed one.
        let can_run = |task: &&Task| task.id() != clock && task.runnable();
        let others: Vec<&Task> = runnable.iter().copied().filter(can_run).collect();
        if others.is_empty() {
            Some(clock)
        } else {
            self.0.next_task(&others, current, is_yielding)
        }
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }
}

/// Runs a small `model` without random numbers under every schedule.
pub(crate) fn explore_all(model: fn()) {
    run(DfsScheduler::new(None, false), model);
}

fn run(scheduler: impl Scheduler + 'static, model: fn()) {
    let ran = Runner::new(scheduler, config()).run(move || run_from_start(model));
    println!("{ran} schedules");
}

/// Each run starts with the same clock and the same request ids.
fn run_from_start(model: fn()) {
    environment::reset();
    model();
}

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = STACK;
    // The warning says that shuttle is sequentially consistent. The crate documentation says so
    // too.
    config.silence_warnings = true;
    config.ungraceful_shutdown_config.immediately_return_on_panic = true;
    config
}
