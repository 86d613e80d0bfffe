//! The clock, request ids and tasks of a model: the same each time a schedule runs.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::task::Waker;
use std::time::Duration;

use distlock_runtime::verification::{self, Environment, RequestId, TaskId, Timestamp};

thread_local! {
    // All threads of a model run on one thread of the machine.
    static NOW: Cell<Timestamp> = const { Cell::new(START) };
    static LAST_ID: Cell<u128> = const { Cell::new(0) };
    static ALARMS: RefCell<BTreeMap<(Timestamp, usize), Waker>> =
        const { RefCell::new(BTreeMap::new()) };
}

shuttle::thread_local! {
    static TASK: Cell<Option<TaskId>> = Cell::new(None);
    static HAS_REACTOR: Cell<bool> = Cell::new(false);
    static PROCESS: Cell<u32> = Cell::new(1);
}

const START: Timestamp = Timestamp::from_nanos(1_000_000_000);
/// How far the clock moves each time it is read. It ends a wait that polls the clock.
const STEP: Duration = Duration::from_micros(5);

/// Resets clock and ids for another schedule.
pub(crate) fn reset() {
    verification::install(Environment {
        now,
        request_id,
        current_task: || TASK.with(Cell::get),
        process_id: || PROCESS.with(Cell::get),
        wake_at,
        has_reactor: || HAS_REACTOR.with(Cell::get),
    });
    NOW.set(START);
    LAST_ID.set(0);
    drop(ALARMS.take());
}

/// Wakes a waker when the clock has been moved to this instant.
fn wake_at(at: Timestamp, waker: Waker) {
    ALARMS.with_borrow_mut(|alarms| alarms.insert((at, alarms.len()), waker));
}

/// Moves the clock to the next alarm. Returns by how much, or `None` if there is none.
pub(crate) fn pass_to_next_alarm() -> Option<Duration> {
    let ((at, _), waker) = ALARMS.with_borrow_mut(BTreeMap::pop_first)?;
    let passed = at.since(NOW.get());
    pass(passed);
    waker.wake();
    Some(passed)
}

/// Lets the tasks of this thread wait for sockets.
pub(crate) fn set_reactor() {
    HAS_REACTOR.with(|has| has.set(true));
}

/// Makes this thread one of a fork of the process.
pub(crate) fn fork() {
    PROCESS.with(|process| process.set(2));
}

pub(crate) fn now() -> Timestamp {
    pass(STEP);
    NOW.get()
}

/// Moves the clock.
pub(crate) fn pass(span: Duration) {
    NOW.set(NOW.get().plus(span));
}

fn request_id() -> RequestId {
    LAST_ID.set(LAST_ID.get() + 1);
    RequestId::from_bits(LAST_ID.get())
}

/// Runs code as this task, on top of what the thread runs already.
pub(crate) fn run_as<T>(task: TaskId, code: impl FnOnce() -> T) -> T {
    let before = TASK.with(|current| current.replace(Some(task)));
    let output = code();
    TASK.with(|current| current.set(before));
    output
}
