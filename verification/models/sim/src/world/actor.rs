//! Tasks that acquire locks, work under them, release them, and record what they observe.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use checker::{EventKind, Nanos, Refusal, Request};
use distlock_runtime::{Hold, LockError, LockGuard, LockManager, LockRequest};

use super::faults::name;
use crate::context;
use crate::plan::{Plan, RequestPlan, Step, Task, Work};

/// The task that acquires every lock once and must succeed.
pub(super) fn liveness_task(plan: &Plan) -> Task {
    let step = |key| Step {
        pause: Duration::ZERO,
        ask: RequestPlan {
            wait: Some(plan.free_within()),
            strict_fifo: true,
            must_succeed: true,
            ..RequestPlan::for_key(key)
        },
        cancel: None,
        work: Work::Write,
        hold: Duration::from_millis(1),
        nested: Vec::new(),
        siblings: false,
        foreign_tasks: false,
        wait_for_release: true,
    };
    Task { steps: (0..plan.keys).map(step).collect() }
}

/// Runs the steps of a task. `check_interval`: how often it checks that a hold is valid.
pub(super) async fn run(task: Arc<Task>, locks: LockManager, check_interval: Duration) {
    let actor = Actor { locks, check_interval };
    for step in &task.steps {
        actor.attempt(step, Enclosing(None)).await;
    }
}

/// The sections that enclose some code, the innermost first.
#[derive(Clone, Copy)]
struct Enclosing<'a>(Option<(&'a [Section], &'a Enclosing<'a>)>);

/// A running section of one key.
#[derive(Clone, Copy)]
struct Section {
    key: u32,
    request: Request,
    /// The latest possible end by `max_hold`.
    max_until: Option<Nanos>,
}

impl Section {
    /// Until when it is valid as far as known.
    fn until(self, hold: &Hold) -> Nanos {
        let until = context::after(hold.remaining());
        self.max_until.map_or(until, |max_until| until.min(max_until))
    }
}

impl Enclosing<'_> {
    /// The innermost section of this key.
    fn find(&self, key: u32) -> Option<Request> {
        let (sections, outer) = self.0?;
        let here = sections.iter().find(|section| section.key == key);
        here.map(|section| section.request).or_else(|| outer.find(key))
    }
}

/// Runs the steps of one task.
struct Actor {
    locks: LockManager,
    check_interval: Duration,
}

type BoxedStep<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

impl Actor {
    /// Runs one step, and cancels it after its time limit.
    fn attempt<'a>(&'a self, step: &'a Step, enclosing: Enclosing<'a>) -> BoxedStep<'a> {
        Box::pin(async move {
            context::sleep(step.pause).await;
            let section = self.section(step, enclosing);
            match step.cancel {
                Some(after) => with_timeout(after, section).await,
                None => section.await,
            }
        })
    }

    async fn section(&self, step: &Step, enclosing: Enclosing<'_>) {
        let foreign_tasks = step.nested.iter().filter(|_| step.foreign_tasks);
        let foreign_tasks: Vec<_> =
            foreign_tasks.map(|step| self.attempt(step, Enclosing(None))).collect();
        if foreign_tasks.is_empty() {
            return self.locked(step, enclosing, None).await;
        }
        let foreign_tasks = ForeignTasks::new(foreign_tasks);
        let mut locked = Some(Box::pin(self.locked(step, enclosing, Some(&foreign_tasks))));
        poll_fn(|context| {
            if locked.as_mut().is_some_and(|locked| locked.as_mut().poll(context).is_ready()) {
                locked = None;
            }
            // Foreign tasks that have started outlive the section.
            let done = foreign_tasks.poll_begun(context).is_ready();
            if done && locked.is_none() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    async fn locked(
        &self,
        step: &Step,
        enclosing: Enclosing<'_>,
        foreign_tasks: Option<&ForeignTasks<'_>>,
    ) {
        let pending = PendingSections::new(&step.ask);
        let request = self.request(step);
        let guard = match acquire(&request, &step.ask).await {
            Ok(guard) => guard,
            Err(why) => return pending.refused(why),
        };
        let mut entered = pending.entered(guard.hold(), enclosing, &step.ask);
        let sections = entered.0.clone();
        let here = Enclosing(Some((&sections, &enclosing)));
        let body = self.body(step, guard.hold(), &sections, here);
        let body = with_foreign_tasks(body, foreign_tasks);
        let watched = self.watched(body, guard.hold(), &sections);
        let lost = guard.scope(watched).await.map_or(true, |kept| !kept);
        if lost {
            entered.report_lost(guard.hold());
        }
        drop(entered);
        // The reply does not matter here.
        let _ = guard.release().await;
    }

    fn request(&self, step: &Step) -> LockRequest {
        let ask = &step.ask;
        let keys = ask.keys.iter().map(|&key| name(key));
        let mut request = match &ask.keys[..] {
            [key] => self.locks.mutex(name(*key)),
            _ => self.locks.mutex_many(keys),
        };
        request = request.renew(ask.renew).linger(ask.linger);
        if let Some(wait) = ask.wait {
            request = request.wait(wait);
        }
        if let Some(ttl) = ask.ttl {
            request = request.ttl(ttl);
        }
        if let Some(max_hold) = ask.max_hold {
            request = request.max_hold(max_hold);
        }
        if let Some(min_hold) = ask.min_hold {
            request = request.min_hold(min_hold);
        }
        if ask.strict_fifo {
            request = request.strict_fifo();
        }
        if step.wait_for_release { request.wait_for_release() } else { request }
    }

    /// The body of a section. Returns whether its holds were valid each time it checked.
    async fn body(
        &self,
        step: &Step,
        hold: &Hold,
        sections: &[Section],
        here: Enclosing<'_>,
    ) -> bool {
        if !self.work(step, hold, sections).await {
            return false;
        }
        let nested = step.nested.iter().filter(|_| !step.foreign_tasks);
        let nested = nested.map(|step| self.attempt(step, here));
        if step.siblings {
            join_all(nested.collect()).await;
        } else {
            for attempt in nested {
                attempt.await;
            }
        }
        self.stay(hold, sections, step.hold).await
    }

    /// Runs the body of a section and records now and then until when its holds are valid: it
    /// cannot observe renewals directly.
    async fn watched(
        &self,
        body: impl Future<Output = bool>,
        hold: &Hold,
        sections: &[Section],
    ) -> bool {
        let mut body = pin!(body);
        let mut alarm = context::sleep(self.next_check(hold, sections));
        poll_fn(|context| {
            if let Poll::Ready(kept) = body.as_mut().poll(context) {
                return Poll::Ready(kept);
            }
            while Pin::new(&mut alarm).poll(context).is_ready() {
                note_validity(hold, sections);
                alarm = context::sleep(self.next_check(hold, sections));
            }
            Poll::Pending
        })
        .await
    }

    /// After the interval, and at the latest when a hold expires unless it is renewed.
    fn next_check(&self, hold: &Hold, sections: &[Section]) -> Duration {
        let left = sections.iter().map(|section| hold_of(hold, section.key).remaining());
        let left = left.filter(|left| !left.is_zero()).min().unwrap_or(self.check_interval);
        self.check_interval.min(left + Duration::from_nanos(1))
    }

    async fn work(&self, step: &Step, hold: &Hold, sections: &[Section]) -> bool {
        let no_shrink = step.hold.min(self.check_interval) / 2;
        for section in sections {
            match step.work {
                Work::Write => {
                    context::sleep(no_shrink).await;
                    let fence = hold_of(hold, section.key).fence().get();
                    let accepted = context::write(section.key, fence);
                    context::record(EventKind::RegisterWrite {
                        request: section.request,
                        accepted,
                    });
                }
                Work::Count => {
                    let read = context::read(section.key);
                    context::sleep(no_shrink).await;
                    if !note_validity(hold, sections) {
                        return false;
                    }
                    context::count(section.key, read + 1);
                    context::record(EventKind::CounterUpdate { request: section.request, read });
                }
            }
        }
        true
    }

    /// Waits until the section ends. Returns whether its holds are still valid.
    async fn stay(&self, hold: &Hold, sections: &[Section], span: Duration) -> bool {
        context::sleep(span).await;
        note_validity(hold, sections)
    }
}

/// The hold of one key of a multi-key `hold`.
fn hold_of(hold: &Hold, key: u32) -> Hold {
    hold.for_key(&name(key)).unwrap_or_else(|| hold.clone())
}

/// Records until when the holds are valid. Returns whether they are.
fn note_validity(hold: &Hold, sections: &[Section]) -> bool {
    sections.iter().all(|section| {
        let hold = hold_of(hold, section.key);
        if !hold.is_valid() {
            return false;
        }
        let until = section.until(&hold);
        context::record(EventKind::Extended { request: section.request, until });
        true
    })
}

async fn acquire(request: &LockRequest, ask: &RequestPlan) -> Result<LockGuard, Refusal> {
    if ask.wait == Some(Duration::ZERO) {
        let tried = request.try_acquire().await.map_err(|error| refusal(&error))?;
        return tried.ok_or(Refusal::Busy);
    }
    request.acquire().await.map_err(|error| refusal(&error))
}

fn refusal(error: &LockError) -> Refusal {
    match error {
        LockError::Busy(_) => Refusal::Busy,
        LockError::Unavailable(_) | LockError::NoReply(_) | LockError::DataLoss(_) => {
            Refusal::Unavailable
        }
        LockError::Deadlock(_) => Refusal::Deadlock,
        LockError::Lost(_) => Refusal::Lost,
        LockError::Refused(_) => Refusal::Refused,
        // A ttl can be shorter than a round trip. Any other rejected setting is a bug of the plan.
        LockError::Config(reason) if reason.contains("round trip") => Refusal::Unavailable,
        _ => panic!("no plan causes {error:?}"),
    }
}

/// Waiting requests. Dropping them records a cancellation.
struct PendingSections(Vec<Section>);

impl PendingSections {
    fn new(ask: &RequestPlan) -> Self {
        let tries_once = Duration::from_secs(8) * u32::try_from(ask.keys.len()).unwrap_or(1);
        let wait = ask.wait.map(|wait| if wait.is_zero() { tries_once } else { wait });
        let deadline = wait.map(context::after);
        let pending = ask.keys.iter().map(|&key| {
            let request = context::next_request();
            context::record(EventKind::Requested {
                request,
                key,
                deadline,
                must_succeed: ask.must_succeed,
            });
            if ask.strict_fifo && ask.keys.len() == 1 {
                context::track_next(request);
            }
            Section { key, request, max_until: None }
        });
        Self(pending.collect())
    }

    fn refused(mut self, why: Refusal) {
        for Section { request, .. } in std::mem::take(&mut self.0) {
            context::record(EventKind::Refused { request, why });
        }
    }

    fn entered(mut self, hold: &Hold, enclosing: Enclosing<'_>, ask: &RequestPlan) -> Entered {
        let mut sections = std::mem::take(&mut self.0);
        for section in &mut sections {
            let hold = hold_of(hold, section.key);
            let outer = enclosing.find(section.key);
            section.max_until = ask.max_hold.filter(|_| outer.is_none()).map(context::after);
            context::record(EventKind::Acquired {
                request: section.request,
                fence: hold.fence().get(),
                valid_until: section.until(&hold),
                outer,
            });
            // Of a list, the first keys may have been granted long before the last one.
            if let Some(min_hold) = ask.min_hold.filter(|_| outer.is_none() && ask.keys.len() == 1)
            {
                let (request, until) = (section.request, context::after(min_hold));
                context::record(EventKind::Kept { request, until });
            }
        }
        Entered(sections)
    }
}

impl Drop for PendingSections {
    fn drop(&mut self) {
        for Section { request, .. } in &self.0 {
            context::record(EventKind::Cancelled { request: *request });
        }
    }
}

/// Running sections. Dropping them records the release.
struct Entered(Vec<Section>);

impl Entered {
    fn report_lost(&mut self, hold: &Hold) {
        for section in &self.0 {
            if !hold_of(hold, section.key).is_valid() {
                context::record(EventKind::LossReported { request: section.request });
            }
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        for Section { request, .. } in &self.0 {
            context::record(EventKind::Released { request: *request });
        }
    }
}

/// Tasks that run on the stack of a section that did not call them.
struct ForeignTasks<'a> {
    begun: Cell<bool>,
    running: RefCell<Vec<(u32, BoxedStep<'a>)>>,
}

impl<'a> ForeignTasks<'a> {
    fn new(all: Vec<BoxedStep<'a>>) -> Self {
        let running = all.into_iter().map(|one| (context::next_foreign_task(), one)).collect();
        Self { begun: Cell::new(false), running: RefCell::new(running) }
    }

    /// Polls all of them on the current stack. Ready when all have ended.
    fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        self.begun.set(true);
        let mut running = self.running.borrow_mut();
        running.retain_mut(|(number, one)| {
            context::as_foreign_task(*number, || one.as_mut().poll(context)).is_pending()
        });
        if running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// The same, but only if they have started.
    fn poll_begun(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.begun.get() { self.poll(context) } else { Poll::Ready(()) }
    }
}

/// Runs the body of a section with foreign tasks on top of it.
async fn with_foreign_tasks(
    body: impl Future<Output = bool>,
    foreign_tasks: Option<&ForeignTasks<'_>>,
) -> bool {
    let mut body = pin!(body);
    poll_fn(|context| {
        let polled = body.as_mut().poll(context);
        if let (Poll::Pending, Some(foreign_tasks)) = (&polled, foreign_tasks) {
            let _ = foreign_tasks.poll(context);
        }
        polled
    })
    .await
}

/// Runs `future`, and drops it after the time limit.
async fn with_timeout(after: Duration, future: impl Future<Output = ()>) {
    let mut future = pin!(future);
    let mut alarm = pin!(context::sleep(after));
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => alarm.as_mut().poll(context),
    })
    .await;
}

/// Runs all of them concurrently.
async fn join_all(mut all: Vec<BoxedStep<'_>>) {
    poll_fn(|context| {
        all.retain_mut(|one| one.as_mut().poll(context).is_pending());
        if all.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
