//! Acquires and releases locks, for the attribute and for guards.
//!
//! A call for a key takes the first of these ways that is open:
//!
//! 1. It re-enters the lease of an ancestor, after the siblings that run under it.
//! 2. It takes over a lease that this process has kept for its next caller (`linger`).
//! 3. It joins the local queue of the key. The queue grants it the lease of the call before, or
//!    asks the server on behalf of its first waiter. With strict fairness, and if it tries once and
//!    is not next, it has a queue of its own, and so asks the server itself.

pub(crate) mod core;
pub(crate) mod deadlock;
pub(crate) mod lanes;
pub(crate) mod lock_order;
pub(crate) mod multi;
pub(crate) mod options;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::acquire::core::ManagerCore;
use crate::acquire::deadlock::{WaitInfo, poll_deadlock, with_deadlock_detection};
use crate::acquire::options::Options;
use crate::error::{DeadlockKind, LockError};
use crate::link::deadlock::DeadlockWatch;
use crate::link::wait::{Driver, block_on, block_on_with_spin};
use crate::local::grant_channel::NotGranted;
use crate::local::key_queue::WaitForTurn;
use crate::local::lease::LeaseRef;
use crate::local::queue::AcquireParams;
use crate::owner::context::{current, find_on_stack, with_current};
use crate::owner::frame::Frame;
use crate::owner::frameless::FramelessSection;
use crate::owner::section::Section;
use crate::protocol::request::{Failure, Loss, ReleaseOutcome};
use crate::types::owner_info::CallSite;
use crate::types::replicas::Replicas;
use crate::types::time::{self, Nanos, Timestamp};
use crate::user_code;
use crate::user_code::metrics::LockLabels;
use crate::user_code::spans::WaitSpan;

/// The error is boxed because each level of nested async calls has room for it.
pub(crate) type AcquireResult = Result<Section, Box<LockError>>;

/// A section that is being acquired. Cancel safe: if it is dropped, nothing is held and nothing
/// waits.
pub(crate) enum Acquiring {
    /// Succeeded or failed without waiting.
    Ready(Option<AcquireResult>),
    /// Waits for the server, for several keys, or for a sibling under the same lease.
    Waiting(BoxedAcquire),
    /// Waits in the queue of a key.
    Queued(Pin<Box<WaitForGrant>>),
}

/// The same, for a caller that is given its result: metrics count its error, and its span ends.
pub(crate) struct Acquisition {
    pub(crate) acquiring: Acquiring,
    pub(crate) labels: LockLabels,
    pub(crate) span: WaitSpan,
}

impl Acquisition {
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<AcquireResult> {
        let acquired = ready!(self.acquiring.poll(context));
        Poll::Ready(record_outcome(&self.labels, &mut self.span, acquired))
    }

    pub(crate) async fn wait(mut self) -> AcquireResult {
        poll_fn(|context| self.poll(context)).await
    }
}

/// Counts the error of a call that ends with it, and ends the span of its wait.
#[inline]
pub(crate) fn record_outcome(
    labels: &LockLabels,
    span: &mut WaitSpan,
    acquired: AcquireResult,
) -> AcquireResult {
    match &acquired {
        Ok(section) => {
            let outcome = if section.is_reentrant() { "reentered" } else { "granted" };
            span.succeeded(outcome, section.single_fence());
        }
        Err(error) => {
            labels.failed(error.kind());
            let outcome = match &**error {
                LockError::Busy(_) if span.may_wait() => "timed_out",
                error => error.kind(),
            };
            span.failed(outcome, error);
        }
    }
    acquired
}

type BoxedAcquire = Pin<Box<dyn Future<Output = AcquireResult> + Send>>;

const COMPLETED: &str = "an acquire is not polled after completion";

impl Acquiring {
    pub(crate) fn failed(error: LockError) -> Self {
        Self::Ready(Some(Err(Box::new(error))))
    }

    /// Whether it has re-entered a hold at once.
    fn has_reentered(&self) -> bool {
        matches!(self, Self::Ready(Some(Ok(section))) if section.is_reentrant())
    }

    /// Blocks this thread.
    pub(crate) fn block(self) -> AcquireResult {
        match self {
            Self::Ready(result) => result.expect(COMPLETED),
            _ if user_code::is_io_thread() => Err(LockError::config(
                "a lock was acquired on a thread of a lock manager, which would wait for \
                 itself; acquire it on another thread",
            )
            .into()),
            Self::Waiting(future) => block_on(future),
            Self::Queued(future) => {
                let spin = future.turn.spin_time();
                block_on_with_spin(future, spin)
            }
        }
    }

    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<AcquireResult> {
        match self {
            Self::Waiting(future) => future.as_mut().poll(context),
            Self::Queued(future) => future.as_mut().poll(context),
            Self::Ready(result) => Poll::Ready(result.take().expect(COMPLETED)),
        }
    }

    pub(crate) async fn wait(mut self) -> AcquireResult {
        poll_fn(|context| self.poll(context)).await
    }
}

/// One call that acquires one key.
#[derive(Clone, Copy)]
pub(crate) struct SingleAcquire<'a> {
    pub(crate) core: &'a Arc<ManagerCore>,
    pub(crate) key: &'a str,
    pub(crate) options: &'a Options,
    pub(crate) call_site: CallSite,
}

impl SingleAcquire<'_> {
    /// Re-enters the innermost hold of this thread, if it is that of the key and nothing stands in
    /// the way. Most nested calls take this short form of the first way.
    #[inline]
    pub(crate) fn reenter_innermost(self) -> Option<FramelessSection> {
        let Self { core, key, options, .. } = self;
        let is_confirmed = options.effective_replicas(core.defaults()) != Replicas::None;
        if options.ttl.is_some() || is_confirmed || !options.may_reenter(core.defaults()) {
            return None;
        }
        FramelessSection::try_enter(core.id(), key)
    }

    pub(crate) fn start(self) -> Acquiring {
        let reentered = with_current(|here| self.reenter(here?));
        self.record_reentry(reentered.as_ref());
        reentered.unwrap_or_else(|| self.acquire_lease(current()))
    }

    /// Starts inside of `here`, whose code need not run on this thread.
    fn start_within(self, here: Option<Arc<Frame>>) -> Acquiring {
        let reentered = here.as_ref().and_then(|here| self.reenter(here));
        self.record_reentry(reentered.as_ref());
        reentered.unwrap_or_else(|| self.acquire_lease(here))
    }

    /// The same, to block this thread.
    fn start_blocking(self) -> Acquiring {
        let reentered = with_current(|here| self.reenter(here?));
        if !matches!(reentered, Some(Acquiring::Ready(_)))
            && let Some(error) = self.blocks_holder()
        {
            return Acquiring::failed(error);
        }
        self.record_reentry(reentered.as_ref());
        reentered.unwrap_or_else(|| self.acquire_lease(current()))
    }

    /// Counts a call that has re-entered at once. Not with the context of the thread in use.
    fn record_reentry(self, reentered: Option<&Acquiring>) {
        if let Some(Acquiring::Ready(Some(Ok(_)))) = reentered {
            self.labels().reentered();
        }
    }

    /// For metrics.
    pub(crate) fn labels(self) -> LockLabels {
        let Self { core, key, options, call_site } = self;
        core.labels(call_site, options, key)
    }

    /// The error of a call that would block the thread on whose stack the section that it waits for
    /// runs.
    fn blocks_holder(self) -> Option<LockError> {
        let Self { core, key, .. } = self;
        let holder = match with_current(|here| here?.find(core.id(), key).cloned()) {
            // It would wait for a sibling.
            Some(ancestor) => find_on_stack(|frame| frame.is_running_child_of(&ancestor)),
            None => {
                find_on_stack(|frame| frame.holds(core.id(), key) && frame.lease.loss().is_none())
            }
        }?;
        (!self.tries_once()).then(|| {
            let holder = holder.call_site.to_string();
            self.deadlock(DeadlockKind::BlocksHolder { holder })
        })
    }

    fn tries_once(self) -> bool {
        self.options.tries_once(self.core.defaults())
    }

    /// Re-enters the lease of an ancestor of `here`. `None` if none holds the key.
    fn reenter(self, here: &Arc<Frame>) -> Option<Acquiring> {
        let Self { core, key, options, .. } = self;
        let ancestor = here.find(core.id(), key)?;
        if !options.may_reenter(core.defaults()) {
            return Some(Acquiring::failed(self.not_reentrant(ancestor)));
        }
        // Without a look at the clock: the code around this call runs on too, and its outermost
        // section reads the clock when it ends.
        if let Some(loss) = ancestor.lease.reported_loss() {
            return Some(Acquiring::failed(LockError::lost(key, loss)));
        }
        let replicas = options.effective_replicas(core.defaults());
        if !replicas.are_among(ancestor.lease.replicas()) {
            return Some(Acquiring::failed(self.not_confirmed(ancestor)));
        }
        if let Some(ttl) = options.ttl {
            if let Err(error) = core.check_ttl(ttl) {
                return Some(Acquiring::failed(error));
            }
            ancestor.lease.ensure_ttl(ttl);
        }
        Some(match Section::try_reenter(here, ancestor) {
            Some(section) => Acquiring::Ready(Some(Ok(section))),
            None if self.tries_once() => {
                Acquiring::failed(LockError::busy_here(key, Duration::ZERO))
            }
            None => self.wait_for_siblings(here, ancestor),
        })
    }

    fn not_reentrant(self, ancestor: &Arc<Frame>) -> LockError {
        let holder = ancestor.call_site.to_string();
        self.deadlock(DeadlockKind::NotReentrant { holder })
    }

    #[cold]
    fn not_confirmed(self, ancestor: &Arc<Frame>) -> LockError {
        LockError::not_confirmed(self.key, &ancestor.call_site.to_string())
    }

    #[cold]
    fn deadlock(self, kind: DeadlockKind) -> LockError {
        let process = self.core.process();
        let caller = process.owner_info(Duration::ZERO, self.call_site, None, time::now());
        LockError::deadlock_at_once(self.key, caller, kind)
    }

    /// Acquires a lease of its own: ways 2 and 3 of the list above.
    fn acquire_lease(self, here: Option<Arc<Frame>>) -> Acquiring {
        let Self { core, key, options, call_site } = self;
        let params = match core.acquire_params(options, call_site) {
            Ok(params) => params,
            Err(error) => return Acquiring::failed(error),
        };
        let lane = match core.lane(options.effective_replicas(core.defaults()), key) {
            Ok(lane) => lane,
            Err(error) => return Acquiring::failed(error),
        };
        core.check_lock_order(here.as_ref(), call_site, &[key]);
        // Only an optimisation: `join` finds a kept lease too.
        if params.linger != Nanos::ZERO
            && let Some(share) = lane.queues.take_idle(key, params)
        {
            let section = Section::outermost(here, core.id(), share, call_site);
            return Acquiring::Ready(Some(Ok(section)));
        }
        let turn = lane.queues.join(key, params);
        let AcquireParams { since, call_site, .. } = params;
        Acquiring::Queued(Box::pin(WaitForGrant {
            core: Arc::clone(core),
            turn,
            since,
            call_site,
            here,
            driver: Driver::default(),
            watch: None,
        }))
    }

    fn wait_for_siblings(self, here: &Arc<Frame>, ancestor: &Arc<Frame>) -> Acquiring {
        let Self { core, key, options, call_site } = self;
        let wait = options.effective_wait(core.defaults());
        let reenter = Section::reenter(Arc::clone(here), Arc::clone(ancestor));
        let labels = self.labels();
        let (core, key, since) = (Arc::clone(core), Arc::<str>::from(key), time::now());
        let (here, ancestor) = (Arc::clone(here), Arc::clone(ancestor));
        Acquiring::Waiting(Box::pin(async move {
            let info = WaitInfo {
                core: &core,
                key: &key,
                since,
                call_site,
                here: Some(&here),
                sibling_of: Some(&ancestor),
            };
            let deadline = wait.map(|wait| since.plus(wait));
            let reenter = async { Some(core.until(deadline, reenter).await) };
            let section = with_deadlock_detection(info, core.drive(&key, reenter)).await?;
            let section = section.ok_or_else(|| core.closed(&key))?;
            let busy = || LockError::busy_here(&key, time::now().since(since));
            let section = section.ok_or_else(busy)?.ok_or_else(|| LockError::released(&key))?;
            // The lease may have been lost while the sibling ran.
            if let Some(loss) = section.lease().loss() {
                return Err(LockError::lost(&key, loss).into());
            }
            labels.reentered();
            Ok(section)
        }))
    }
}

/// Waits until the lock is granted. Written by hand: an async block would keep several copies of
/// its parts, and a process may have many of them.
pub(crate) struct WaitForGrant {
    watch: Option<Box<DeadlockWatch>>,
    // Dropped before the request is cancelled: the role of the reader goes to another party.
    driver: Driver,
    turn: WaitForTurn,
    core: Arc<ManagerCore>,
    since: Timestamp,
    call_site: CallSite,
    /// The frame around the caller.
    here: Option<Arc<Frame>>,
}

impl Future for WaitForGrant {
    type Output = AcquireResult;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<AcquireResult> {
        let Self { core, turn, since, call_site, here, driver, watch } = self.get_mut();
        let (since, call_site) = (*since, *call_site);
        let links = match core.lane(turn.replicas(), turn.key()) {
            Ok(lane) => &lane.links,
            Err(error) => return Poll::Ready(Err(error.into())),
        };
        let mut polled = poll_turn(core, turn, context).map(Some);
        // In a cluster it has to be looked up.
        let link = polled.is_pending().then(|| links.of(turn.key()));
        match link {
            Some(link) if link.is_forked() => polled = Poll::Ready(None),
            Some(link) if turn.is_asked() => {
                let poll = |context: &mut Context<'_>| poll_turn(core, turn, context);
                polled = driver.poll(link.link(), context, poll);
            }
            // A caller that did not take its grant up in time waits for a section of this process
            // again. It must not keep the role of the reader meanwhile.
            _ => *driver = Driver::default(),
        }
        let key = turn.key();
        let Poll::Ready(outcome) = polled else {
            let here = here.as_ref();
            let info = WaitInfo { core, key, since, call_site, here, sibling_of: None };
            return poll_deadlock(&info, watch, context).map(Err);
        };
        Poll::Ready(match outcome.flatten() {
            Some(Ok(share)) => Ok(Section::outermost(here.take(), core.id(), share, call_site)),
            Some(Err(failure)) => {
                let waited = time::now().since(since);
                Err(LockError::from_failure(key, waited, failure).into())
            }
            None => Err(core.closed(key).into()),
        })
    }
}

/// The outcome of an acquire. `None` if the manager was shut down.
fn poll_turn(
    core: &ManagerCore,
    turn: &mut WaitForTurn,
    context: &mut Context<'_>,
) -> Poll<Option<Result<LeaseRef, Failure>>> {
    loop {
        match ready!(Pin::new(&mut *turn).poll(context)).map(|outcome| outcome.map_err(|why| *why))
        {
            Some(Err(NotGranted::Unclaimed(params))) => {
                let Ok(lane) = core.lane(turn.replicas(), turn.key()) else {
                    return Poll::Ready(None);
                };
                *turn = lane.queues.join(turn.key(), params);
            }
            Some(Err(NotGranted::Failed(failure))) => return Poll::Ready(Some(Err(failure))),
            Some(Ok(lease_ref)) => return Poll::Ready(Some(Ok(lease_ref))),
            None => return Poll::Ready(None),
        }
    }
}

/// Releases a section without waiting for the server. The error is a loss that came before.
#[expect(clippy::needless_pass_by_value, reason = "the section ends here")]
pub(crate) fn release(section: Section) -> Result<(), LockError> {
    match section.loss() {
        Some((lease, loss)) => Err(LockError::lost(lease.key(), loss)),
        None => Ok(()),
    }
}

/// The same of a section without a frame.
#[inline]
pub(crate) fn release_frameless(section: FramelessSection) -> Result<(), LockError> {
    match section.end() {
        Some((lease, loss)) => Err(LockError::lost(lease.key(), loss)),
        None => Ok(()),
    }
}

/// Releases and waits for the server's confirmation. There is none for a lease that others still
/// share.
pub(crate) async fn release_and_wait(section: Section) -> Result<(), LockError> {
    let mut outcome = Ok(());
    if let Some((lease, loss)) = section.loss() {
        outcome = Err(LockError::lost(lease.key(), loss));
    }
    for (lease, answer) in section.end_confirmed() {
        let confirmed = match answer.await.unwrap_or(ReleaseOutcome::Unknown) {
            ReleaseOutcome::Held => Ok(()),
            ReleaseOutcome::NotHeld => Err(LockError::lost(lease.key(), Loss::NotOnServer)),
            ReleaseOutcome::Unknown => Err(LockError::unconfirmed(lease.key())),
            ReleaseOutcome::Refused(why) => Err(LockError::not_released(lease.key(), &why)),
        };
        if let (Some(span), Err(LockError::Lost(lost))) = (lease.take_span(), &confirmed) {
            span.set_end("lost", &lost.reason);
        }
        outcome = outcome.and(confirmed);
    }
    outcome
}
