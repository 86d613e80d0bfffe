//! Where the library's files and the tasks find the world: the time, chance, who is running, and the record of what happens.

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

/// A task, by its process and its number there.
pub(crate) type TaskId = (u32, u32);

struct Stage {
    process: u32,
    task: u32,
    /// Which of the tasks that run on top of that one's stack; zero is none.
    stranger: u32,
    strangers: u32,
    clock: Clock,
    chance: fastrand::Rng,
    history: Vec<Event>,
    /// Tasks that are to be polled.
    woken: Vec<TaskId>,
    /// Tasks that want to be woken at an instant of the world's time.
    sleepers: Vec<(Nanos, TaskId)>,
    requests: Request,
    /// Nothing is written down: what runs are the destructors of a process that is dead.
    mute: bool,
    /// The request whose name is drawn next.
    unnamed: Option<Request>,
    /// Requests that go to the server under a name of their own.
    named: HashMap<RequestId, Request>,
    /// The highest token that each register has taken.
    registers: Vec<u64>,
    counters: Vec<u64>,
}

thread_local! {
    /// The world's time. Apart from the rest, as it is read all the time.
    static NOW: Cell<Nanos> = const { Cell::new(0) };
    /// The same by the clock of the process that runs.
    static LOCAL: Cell<u64> = const { Cell::new(0) };
    static STAGE: RefCell<Stage> = RefCell::new(Stage {
        process: 0,
        task: 0,
        stranger: 0,
        strangers: 0,
        clock: Clock::TRUE,
        chance: fastrand::Rng::with_seed(0),
        history: Vec::new(),
        woken: Vec::new(),
        sleepers: Vec::new(),
        requests: 0,
        mute: false,
        unnamed: None,
        named: HashMap::new(),
        registers: Vec::new(),
        counters: Vec::new(),
    });
}

fn with<T>(act: impl FnOnce(&mut Stage) -> T) -> T {
    STAGE.with_borrow_mut(act)
}

/// Clears the stage for a new world with so many locks.
pub(crate) fn clear(seed: u64, keys: u32) {
    verification::install(Environment {
        now: local_now,
        request_id,
        current_task: || Some(number_of_running()),
        process_id: process,
    });
    NOW.set(0);
    LOCAL.set(0);
    with(|stage| {
        stage.chance = fastrand::Rng::with_seed(seed);
        stage.history.clear();
        stage.woken.clear();
        stage.sleepers.clear();
        stage.requests = 0;
        stage.strangers = 0;
        stage.mute = false;
        stage.unnamed = None;
        stage.named.clear();
        let keys = keys as usize;
        (stage.registers, stage.counters) = (vec![0; keys], vec![0; keys]);
    });
}

/// The world's time moves on.
pub(crate) fn set_now(now: Nanos) {
    NOW.set(now);
}

/// The code of this process runs next.
pub(crate) fn enter(process: u32, task: u32, clock: Clock) {
    LOCAL.set(clock.read(NOW.get()));
    with(|stage| {
        stage.process = process;
        stage.task = task;
        stage.stranger = 0;
        stage.clock = clock;
    });
}

/// The world's time.
pub(crate) fn now() -> Nanos {
    NOW.get()
}

/// The time by the clock of the process that runs.
pub(crate) fn local_now() -> Timestamp {
    Timestamp::from_nanos(LOCAL.get())
}

/// The world's time at which the clock of the process that runs will have moved on by `span`.
pub(crate) fn after(span: Duration) -> Nanos {
    with(|stage| {
        let then = local_now().plus(span);
        stage.clock.when(then.as_nanos()).max(NOW.get())
    })
}

pub(crate) fn process() -> u32 {
    with(|stage| stage.process)
}

/// The task that runs, with its process and which of those on top of its stack it is, as one number.
fn number_of_running() -> verification::TaskId {
    with(|stage| {
        let Stage { process, task, stranger, .. } = *stage;
        u64::from(process) << 48 | u64::from(task) << 32 | u64::from(stranger)
    })
}

/// A number for a task that runs on top of another one's stack.
pub(crate) fn next_stranger() -> u32 {
    with(|stage| {
        stage.strangers += 1;
        stage.strangers
    })
}

/// Runs code as a task of its own, on top of the one that runs.
pub(crate) fn as_stranger<T>(stranger: u32, code: impl FnOnce() -> T) -> T {
    let below = with(|stage| std::mem::replace(&mut stage.stranger, stranger));
    let output = code();
    with(|stage| stage.stranger = below);
    output
}

pub(crate) fn request_id() -> RequestId {
    with(|stage| {
        let request_id = RequestId::from_bits(stage.chance.u128(..));
        if let Some(request) = stage.unnamed.take() {
            stage.named.insert(request_id, request);
        }
        request_id
    })
}

/// The next name that is drawn is this request's.
pub(crate) fn name_next(request: Request) {
    with(|stage| stage.unnamed = Some(request));
}

/// The server has put what goes under this name into its queue.
pub(crate) fn queued(request_id: RequestId) {
    let request = with(|stage| stage.named.remove(&request_id));
    if let Some(request) = request {
        record(EventKind::Queued { request });
    }
}

/// A name for the next request.
pub(crate) fn next_request() -> Request {
    with(|stage| {
        stage.requests += 1;
        stage.requests
    })
}

/// Writes down what the running task did or saw.
pub(crate) fn record(kind: EventKind) {
    with(|stage| {
        let Stage { process, task, mute, .. } = *stage;
        if let EventKind::Acquired { request, .. }
        | EventKind::Refused { request, .. }
        | EventKind::Cancelled { request } = &kind
        {
            stage.unnamed.take_if(|waiting| waiting == request);
            stage.named.retain(|_, waiting| waiting != request);
        }
        if !mute {
            stage.history.push(Event { at: NOW.get(), process, task, kind });
        }
    });
}

/// Writes down what befell a process from outside.
pub(crate) fn record_of(process: u32, kind: EventKind) {
    with(|stage| stage.history.push(Event { at: NOW.get(), process, task: 0, kind }));
}

/// Lets the destructors of a dead process run, which leaves no trace of it.
pub(crate) fn unseen<T>(act: impl FnOnce() -> T) -> T {
    with(|stage| stage.mute = true);
    let output = act();
    with(|stage| stage.mute = false);
    output
}

/// Writes to the register of a key; whether it took it.
pub(crate) fn write(key: u32, fence: u64) -> bool {
    with(|stage| {
        let highest = &mut stage.registers[key as usize];
        let accepted = fence >= *highest;
        *highest = fence.max(*highest);
        accepted
    })
}

/// What the counter of a key stands at.
pub(crate) fn read(key: u32) -> u64 {
    with(|stage| stage.counters[key as usize])
}

pub(crate) fn count(key: u32, count: u64) {
    with(|stage| stage.counters[key as usize] = count);
}

pub(crate) fn counters() -> Vec<u64> {
    with(|stage| stage.counters.clone())
}

pub(crate) fn take_history() -> Vec<Event> {
    with(|stage| std::mem::take(&mut stage.history))
}

/// The tasks that were woken since the last look, into `woken`.
pub(crate) fn drain_woken(woken: &mut Vec<TaskId>) {
    with(|stage| woken.append(&mut stage.woken));
}

/// The tasks that went to sleep since the last look, into `sleepers`.
pub(crate) fn drain_sleepers(sleepers: &mut Vec<(Nanos, TaskId)>) {
    with(|stage| sleepers.append(&mut stage.sleepers));
}

struct Command(TaskId);

impl Wake for Command {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        with(|stage| stage.woken.push(self.0));
    }
}

/// Wakes a task of this world.
pub(crate) fn waker(task: TaskId) -> Waker {
    Waker::from(Arc::new(Command(task)))
}

/// Ends after so much time of the process's clock.
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
            with(|stage| stage.sleepers.push((until, (stage.process, stage.task))));
        }
        Poll::Pending
    }
}
