//! Runs a model under many schedules.

use std::env;

/// Waits. A task that waits so is woken by its waker alone: one for nothing, which a parked thread
/// may have, would hide that a wake-up was missed.
pub(crate) use shuttle::future::block_on;
use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};

use crate::environment;

/// Where threads are preempted by chance, most bugs need so few preemptions (Burckhardt et al., "A
/// Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", 2010).
const DEPTH: usize = 3;
/// The frames of a build without optimisation are large.
const STACK: usize = 256 * 1024;

/// Runs `model` under so many random schedules, and as many that preempt seldom.
/// `DISTLOCK_SCHEDULES` is how many instead; `DISTLOCK_REPLAY` is the one schedule that a failure
/// printed.
pub(crate) fn explore(model: fn(), schedules: usize) {
    if let Ok(schedule) = env::var("DISTLOCK_REPLAY") {
        return shuttle::replay(move || anew(model), &schedule);
    }
    let asked = env::var("DISTLOCK_SCHEDULES").ok();
    let schedules = asked.map_or(schedules, |asked| asked.parse().expect("a number"));
    run(RandomScheduler::new(schedules), model);
    run(PctScheduler::new(DEPTH, schedules), model);
}

/// Runs `model`, which is small and uses no random numbers, under every schedule there is.
pub(crate) fn exhaust(model: fn()) {
    run(DfsScheduler::new(None, false), model);
}

fn run(scheduler: impl Scheduler + 'static, model: fn()) {
    let ran = Runner::new(scheduler, config()).run(move || anew(model));
    println!("{ran} schedules");
}

/// A model begins with the same clock and the same names each time.
fn anew(model: fn()) {
    environment::reset();
    model();
}

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = STACK;
    // It sees no order of memory but the sequential one; `verification/shuttle` says so.
    config.silence_warnings = true;
    config.ungraceful_shutdown_config.immediately_return_on_panic = true;
    config
}
