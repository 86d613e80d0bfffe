//! The thread-local context of a run: time, random numbers, the running task, and the history. The
//! runtime reads it through its verification environment.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use checker::{Event, EventKind, Nanos, Request};
use distlock_runtime::verification::{self, Environment, RequestId, Timestamp};

use crate::clock::Clock;

/// A task: its process and its number in it.
pub(crate) type TaskId = (u32, u32);

struct RunContext {
    process: u32,
    task: u32,
    /// The foreign task on the stack of that task; zero is none.
    foreign_task: u32,
    foreign_tasks: u32,
    clock: Clock,
    chance: fastrand::Rng,
    history: Vec<Event>,
    /// Woken tasks.
    woken: Vec<TaskId>,
    /// Sleeping tasks, with the instant of their wake-up.
    sleepers: Vec<(Nanos, TaskId)>,
    requests: Request,
    /// Records nothing: the destructors of a crashed process run.
    muted: bool,
    /// The request that the next request id belongs to.
    untracked: Option<Request>,
    /// Requests that are sent to the server under their own id.
    tracked: HashMap<RequestId, Request>,
    /// The highest token that each register has accepted.
    registers: Vec<u64>,
    counters: Vec<u64>,
}

thread_local! {
    /// The simulated time. Separate from the rest because it is read often.
    static NOW: Cell<Nanos> = const { Cell::new(0) };
    /// The same by the clock of the running process.
    static LOCAL: Cell<u64> = const { Cell::new(0) };
    static CONTEXT: RefCell<RunContext> = RefCell::new(RunContext {
        process: 0,
        task: 0,
        foreign_task: 0,
        foreign_tasks: 0,
        clock: Clock::TRUE,
        chance: fastrand::Rng::with_seed(0),
        history: Vec::new(),
        woken: Vec::new(),
        sleepers: Vec::new(),
        requests: 0,
        muted: false,
        untracked: None,
        tracked: HashMap::new(),
        registers: Vec::new(),
        counters: Vec::new(),
    });
}

fn with<T>(act: impl FnOnce(&mut RunContext) -> T) -> T {
    CONTEXT.with_borrow_mut(act)
}

/// Resets the context for a run with this many locks.
pub(crate) fn clear(seed: u64, keys: u32) {
    verification::install(Environment {
        now: local_now,
        request_id,
        current_task: || Some(number_of_running()),
        process_id: process,
    });
    NOW.set(0);
    LOCAL.set(0);
    with(|context| {
        context.chance = fastrand::Rng::with_seed(seed);
        context.history.clear();
        context.woken.clear();
        context.sleepers.clear();
        context.requests = 0;
        context.foreign_tasks = 0;
        context.muted = false;
        context.untracked = None;
        context.tracked.clear();
        let keys = keys as usize;
        (context.registers, context.counters) = (vec![0; keys], vec![0; keys]);
    });
}

/// Moves the simulated time.
pub(crate) fn set_now(now: Nanos) {
    NOW.set(now);
}

/// Selects the task that runs next.
pub(crate) fn enter(process: u32, task: u32, clock: Clock) {
    LOCAL.set(clock.read(NOW.get()));
    with(|context| {
        context.process = process;
        context.task = task;
        context.foreign_task = 0;
        context.clock = clock;
    });
}

/// The simulated time.
pub(crate) fn now() -> Nanos {
    NOW.get()
}

/// The time by the clock of the running process.
pub(crate) fn local_now() -> Timestamp {
    Timestamp::from_nanos(LOCAL.get())
}

/// The simulated time at which the clock of the running process has advanced by `span`.
pub(crate) fn after(span: Duration) -> Nanos {
    with(|context| {
        let then = local_now().plus(span);
        context.clock.when(then.as_nanos()).max(NOW.get())
    })
}

pub(crate) fn process() -> u32 {
    with(|context| context.process)
}

/// The running task as one number: process, task and foreign task.
fn number_of_running() -> verification::TaskId {
    with(|context| {
        let RunContext { process, task, foreign_task, .. } = *context;
        u64::from(process) << 48 | u64::from(task) << 32 | u64::from(foreign_task)
    })
}

/// A number for a foreign task.
pub(crate) fn next_foreign_task() -> u32 {
    with(|context| {
        context.foreign_tasks += 1;
        context.foreign_tasks
    })
}

/// Runs code as a foreign task on the stack of the running one.
pub(crate) fn as_foreign_task<T>(foreign_task: u32, code: impl FnOnce() -> T) -> T {
    let below = with(|context| std::mem::replace(&mut context.foreign_task, foreign_task));
    let output = code();
    with(|context| context.foreign_task = below);
    output
}

pub(crate) fn request_id() -> RequestId {
    with(|context| {
        let request_id = RequestId::from_bits(context.chance.u128(..));
        if let Some(request) = context.untracked.take() {
            context.tracked.insert(request_id, request);
        }
        request_id
    })
}

/// The next request id belongs to this request.
pub(crate) fn track_next(request: Request) {
    with(|context| context.untracked = Some(request));
}

/// The server has queued the request with this id.
pub(crate) fn queued(request_id: RequestId) {
    let request = with(|context| context.tracked.remove(&request_id));
    if let Some(request) = request {
        record(EventKind::Queued { request });
    }
}

/// A number for the next request.
pub(crate) fn next_request() -> Request {
    with(|context| {
        context.requests += 1;
        context.requests
    })
}

/// Records what the running task did or observed.
pub(crate) fn record(kind: EventKind) {
    with(|context| {
        let RunContext { process, task, muted, .. } = *context;
        if let EventKind::Acquired { request, .. }
        | EventKind::Refused { request, .. }
        | EventKind::Cancelled { request } = &kind
        {
            context.untracked.take_if(|waiting| waiting == request);
            context.tracked.retain(|_, waiting| waiting != request);
        }
        if !muted {
            context.history.push(Event { at: NOW.get(), process, task, kind });
        }
    });
}

/// Records what happened to a process.
pub(crate) fn record_for(process: u32, kind: EventKind) {
    with(|context| context.history.push(Event { at: NOW.get(), process, task: 0, kind }));
}

/// Runs the destructors of a crashed process, which must not appear in the history.
pub(crate) fn without_recording<T>(act: impl FnOnce() -> T) -> T {
    with(|context| context.muted = true);
    let output = act();
    with(|context| context.muted = false);
    output
}

/// Writes to the register of a key. Returns whether it accepted the token.
pub(crate) fn write(key: u32, fence: u64) -> bool {
    with(|context| {
        let highest = &mut context.registers[key as usize];
        let accepted = fence >= *highest;
        *highest = fence.max(*highest);
        accepted
    })
}

/// The counter of a key.
pub(crate) fn read(key: u32) -> u64 {
    with(|context| context.counters[key as usize])
}

pub(crate) fn count(key: u32, count: u64) {
    with(|context| context.counters[key as usize] = count);
}

pub(crate) fn counters() -> Vec<u64> {
    with(|context| context.counters.clone())
}

pub(crate) fn take_history() -> Vec<Event> {
    with(|context| std::mem::take(&mut context.history))
}

/// Moves the tasks that were woken into `woken`.
pub(crate) fn drain_woken(woken: &mut Vec<TaskId>) {
    with(|context| woken.append(&mut context.woken));
}

/// Moves the tasks that went to sleep into `sleepers`.
pub(crate) fn drain_sleepers(sleepers: &mut Vec<(Nanos, TaskId)>) {
    with(|context| sleepers.append(&mut context.sleepers));
}

struct Command(TaskId);

impl Wake for Command {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        with(|context| context.woken.push(self.0));
    }
}

/// A waker for a task.
pub(crate) fn waker(task: TaskId) -> Waker {
    Waker::from(Arc::new(Command(task)))
}

/// Sleeps for `span` by the clock of the running process.
pub(crate) fn sleep(span: Duration) -> Sleep {
    Sleep { until: after(span), asleep: false }
}

pub(crate) struct Sleep {
    until: Nanos,
    asleep: bool,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<()> {
        if NOW.get() >= self.until {
            return Poll::Ready(());
        }
        if !std::mem::replace(&mut self.asleep, true) {
            let until = self.until;
            with(|context| context.sleepers.push((until, (context.process, context.task))));
        }
        Poll::Pending
    }
}
