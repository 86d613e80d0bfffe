//! What tasks do: ask for locks, work under them, let go; and write down what they see.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use checker::{EventKind, Nanos, Refusal, Request};
use distlock_runtime::{Hold, LockError, LockGuard, LockManager, LockRequest};

use super::faults::name;
use crate::plan::{Ask, Plan, Step, Task, Work};
use crate::stage;

/// The task that asks for every lock once, and surely gets it.
pub(super) fn visit(plan: &Plan) -> Task {
    let step = |key| Step {
        pause: Duration::ZERO,
        ask: Ask {
            wait: Some(plan.free_within()),
            global: true,
            must_succeed: true,
            ..Ask::plainly(key)
        },
        cancel: None,
        work: Work::Write,
        hold: Duration::from_millis(1),
        inside: Vec::new(),
        siblings: false,
        strangers: false,
        confirmed: true,
    };
    Task { steps: (0..plan.keys).map(step).collect() }
}

/// The steps of a task, one after the other. `glance`: how often it looks whether a hold lasts.
pub(super) async fn run(task: Arc<Task>, locks: LockManager, glance: Duration) {
    let cast = Cast { locks, glance };
    for step in &task.steps {
        cast.attempt(step, Around(None)).await;
    }
}

/// The sections around some code, the innermost first.
#[derive(Clone, Copy)]
struct Around<'a>(Option<(&'a [Section], &'a Around<'a>)>);

/// A lock that was entered.
#[derive(Clone, Copy)]
struct Section {
    key: u32,
    request: Request,
    /// Until when it may last at the most, whatever its hold says.
    most: Option<Nanos>,
}

impl Section {
    /// Until when it is sure to last as far as is known.
    fn until(self, hold: &Hold) -> Nanos {
        let until = stage::after(hold.remaining());
        self.most.map_or(until, |most| until.min(most))
    }
}

impl Around<'_> {
    /// The nearest section of this key.
    fn find(&self, key: u32) -> Option<Request> {
        let (sections, outer) = self.0?;
        let here = sections.iter().find(|section| section.key == key);
        here.map(|section| section.request).or_else(|| outer.find(key))
    }
}

/// Who acts.
struct Cast {
    locks: LockManager,
    glance: Duration,
}

type Acting<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

impl Cast {
    /// One step, given up when its time is over.
    fn attempt<'a>(&'a self, step: &'a Step, around: Around<'a>) -> Acting<'a> {
        Box::pin(async move {
            stage::sleep(step.pause).await;
            let section = self.section(step, around);
            match step.cancel {
                Some(after) => unless(after, section).await,
                None => section.await,
            }
        })
    }

    async fn section(&self, step: &Step, around: Around<'_>) {
        let strangers = step.inside.iter().filter(|_| step.strangers);
        let strangers: Vec<_> = strangers.map(|step| self.attempt(step, Around(None))).collect();
        if strangers.is_empty() {
            return self.locked(step, around, None).await;
        }
        let strangers = Strangers::new(strangers);
        let mut locked = Some(Box::pin(self.locked(step, around, Some(&strangers))));
        poll_fn(|context| {
            if locked.as_mut().is_some_and(|locked| locked.as_mut().poll(context).is_ready()) {
                locked = None;
            }
            // Those that have begun do not end with it.
            let over = strangers.poll_begun(context).is_ready();
            if over && locked.is_none() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    async fn locked(&self, step: &Step, around: Around<'_>, strangers: Option<&Strangers<'_>>) {
        let wanted = Wanted::new(&step.ask);
        let request = self.request(step);
        let guard = match acquire(&request, &step.ask).await {
            Ok(guard) => guard,
            Err(why) => return wanted.refused(why),
        };
        let mut entered = wanted.entered(guard.hold(), around, step.ask.max_hold);
        let sections = entered.0.clone();
        let here = Around(Some((&sections, &around)));
        let body = self.body(step, guard.hold(), &sections, here);
        let body = on_top(body, strangers);
        let watched = self.watched(body, guard.hold(), &sections);
        let lost = guard.scope(watched).await.map_or(true, |kept| !kept);
        if lost {
            entered.tell_lost(guard.hold());
        }
        drop(entered);
        // What the server says of it comes too late for anybody.
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
        if ask.global {
            request = request.strict_fifo();
        }
        if step.confirmed { request.wait_for_release() } else { request }
    }

    /// The inside of a section; whether its holds lasted, as far as it looked.
    async fn body(&self, step: &Step, hold: &Hold, sections: &[Section], here: Around<'_>) -> bool {
        if !self.work(step, hold, sections).await {
            return false;
        }
        let inside = step.inside.iter().filter(|_| !step.strangers);
        let inside = inside.map(|step| self.attempt(step, here));
        if step.siblings {
            together(inside.collect()).await;
        } else {
            for attempt in inside {
                attempt.await;
            }
        }
        self.stay(hold, sections, step.hold).await
    }

    /// Runs the inside of a section, and writes down now and then until when its holds are valid: renewals go on unseen.
    async fn watched(
        &self,
        body: impl Future<Output = bool>,
        hold: &Hold,
        sections: &[Section],
    ) -> bool {
        let mut body = pin!(body);
        let mut alarm = stage::sleep(self.next_glance(hold, sections));
        poll_fn(|context| {
            if let Poll::Ready(kept) = body.as_mut().poll(context) {
                return Poll::Ready(kept);
            }
            while Pin::new(&mut alarm).poll(context).is_ready() {
                note_validity(hold, sections);
                alarm = stage::sleep(self.next_glance(hold, sections));
            }
            Poll::Pending
        })
        .await
    }

    /// Soon, and at the latest when a hold is over unless it was renewed meanwhile.
    fn next_glance(&self, hold: &Hold, sections: &[Section]) -> Duration {
        let left = sections.iter().map(|section| hold_of(hold, section.key).remaining());
        let left = left.filter(|left| !left.is_zero()).min().unwrap_or(self.glance);
        self.glance.min(left + Duration::from_nanos(1))
    }

    async fn work(&self, step: &Step, hold: &Hold, sections: &[Section]) -> bool {
        let brief = step.hold.min(self.glance) / 2;
        for section in sections {
            match step.work {
                Work::Write => {
                    stage::sleep(brief).await;
                    let fence = hold_of(hold, section.key).fence().get();
                    let accepted = stage::write(section.key, fence);
                    stage::record(EventKind::RegisterWrite { request: section.request, accepted });
                }
                Work::Count => {
                    let read = stage::read(section.key);
                    stage::sleep(brief).await;
                    if !note_validity(hold, sections) {
                        return false;
                    }
                    stage::count(section.key, read + 1);
                    stage::record(EventKind::CounterUpdate { request: section.request, read });
                }
            }
        }
        true
    }

    /// Stays in the section to its end; whether it still is one then.
    async fn stay(&self, hold: &Hold, sections: &[Section], span: Duration) -> bool {
        stage::sleep(span).await;
        note_validity(hold, sections)
    }
}

/// The hold of one key around the code of `hold`.
fn hold_of(hold: &Hold, key: u32) -> Hold {
    hold.for_key(&name(key)).unwrap_or_else(|| hold.clone())
}

/// Writes down until when the holds are valid; whether they are.
fn note_validity(hold: &Hold, sections: &[Section]) -> bool {
    sections.iter().all(|section| {
        let hold = hold_of(hold, section.key);
        if !hold.is_valid() {
            return false;
        }
        let until = section.until(&hold);
        stage::record(EventKind::Extended { request: section.request, until });
        true
    })
}

async fn acquire(request: &LockRequest, ask: &Ask) -> Result<LockGuard, Refusal> {
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
        // A ttl may turn out to be shorter than a round trip. Any other setting that is refused is a mistake of the plan.
        LockError::Config(reason) if reason.contains("round trip") => Refusal::Unavailable,
        _ => panic!("a plan asks for nothing that ends in {error:?}"),
    }
}

/// Requests that wait. Dropped, they were cancelled.
struct Wanted(Vec<Section>);

impl Wanted {
    fn new(ask: &Ask) -> Self {
        let tries_once = Duration::from_secs(8) * u32::try_from(ask.keys.len()).unwrap_or(1);
        let wait = ask.wait.map(|wait| if wait.is_zero() { tries_once } else { wait });
        let deadline = wait.map(stage::after);
        let wanted = ask.keys.iter().map(|&key| {
            let request = stage::next_request();
            stage::record(EventKind::Requested {
                request,
                key,
                deadline,
                must_succeed: ask.must_succeed,
            });
            if ask.global && ask.keys.len() == 1 {
                stage::name_next(request);
            }
            Section { key, request, most: None }
        });
        Self(wanted.collect())
    }

    fn refused(mut self, why: Refusal) {
        for Section { request, .. } in std::mem::take(&mut self.0) {
            stage::record(EventKind::Refused { request, why });
        }
    }

    fn entered(mut self, hold: &Hold, around: Around<'_>, max_hold: Option<Duration>) -> Entered {
        let mut sections = std::mem::take(&mut self.0);
        for section in &mut sections {
            let hold = hold_of(hold, section.key);
            let outer = around.find(section.key);
            section.most = max_hold.filter(|_| outer.is_none()).map(stage::after);
            stage::record(EventKind::Acquired {
                request: section.request,
                fence: hold.fence().get(),
                valid_until: section.until(&hold),
                outer,
            });
        }
        Entered(sections)
    }
}

impl Drop for Wanted {
    fn drop(&mut self) {
        for Section { request, .. } in &self.0 {
            stage::record(EventKind::Cancelled { request: *request });
        }
    }
}

/// Sections that run. Dropped, they are left.
struct Entered(Vec<Section>);

impl Entered {
    fn tell_lost(&mut self, hold: &Hold) {
        for section in &self.0 {
            if !hold_of(hold, section.key).is_valid() {
                stage::record(EventKind::LossReported { request: section.request });
            }
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        for Section { request, .. } in &self.0 {
            stage::record(EventKind::Released { request: *request });
        }
    }
}

/// Tasks that a section did not call, and that run on its stack.
struct Strangers<'a> {
    begun: Cell<bool>,
    running: RefCell<Vec<(u32, Acting<'a>)>>,
}

impl<'a> Strangers<'a> {
    fn new(all: Vec<Acting<'a>>) -> Self {
        let running = all.into_iter().map(|one| (stage::next_stranger(), one)).collect();
        Self { begun: Cell::new(false), running: RefCell::new(running) }
    }

    /// Lets all of them run, on top of what runs now; ready when none is left.
    fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        self.begun.set(true);
        let mut running = self.running.borrow_mut();
        running.retain_mut(|(number, one)| {
            stage::as_stranger(*number, || one.as_mut().poll(context)).is_pending()
        });
        if running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// The same, unless they never ran; they do not then.
    fn poll_begun(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.begun.get() { self.poll(context) } else { Poll::Ready(()) }
    }
}

/// Runs the body of a section, and strangers on top of it.
async fn on_top(body: impl Future<Output = bool>, strangers: Option<&Strangers<'_>>) -> bool {
    let mut body = pin!(body);
    poll_fn(|context| {
        let polled = body.as_mut().poll(context);
        if let (Poll::Pending, Some(strangers)) = (&polled, strangers) {
            let _ = strangers.poll(context);
        }
        polled
    })
    .await
}

/// Runs `future`, and drops it where it is when the time is over.
async fn unless(after: Duration, future: impl Future<Output = ()>) {
    let mut future = pin!(future);
    let mut alarm = pin!(stage::sleep(after));
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => alarm.as_mut().poll(context),
    })
    .await;
}

/// Runs all of them, side by side.
async fn together(mut all: Vec<Acting<'_>>) {
    poll_fn(|context| {
        all.retain_mut(|one| one.as_mut().poll(context).is_pending());
        if all.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
