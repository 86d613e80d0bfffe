//! The way into a section and out of it, for the attribute and for guards alike.

pub(crate) mod keys;
pub(crate) mod leave;
pub(crate) mod lock_order;
pub(crate) mod many;
pub(crate) mod options;
pub(crate) mod watched;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::acquire::options::Options;
use crate::acquire::watched::{Waits, watched};
use crate::api::manager::LockManager;
use crate::error::{Closing, DeadlockKind, LockError};
use crate::io::block_on::{block_on, block_on_with_spin};
use crate::io::flush_on_exit::is_io_thread;
use crate::io::futures::AcquireFuture;
use crate::io::mailbox::Mailbox;
use crate::local::grant_channel::AcquireOutcome;
use crate::local::key_queue::WaitForTurn;
use crate::local::params::AcquireParams;
use crate::local::table::JoinOutcome;
use crate::owner::context::{below, current, with_current};
use crate::owner::frame::Frame;
use crate::owner::section::Section;
use crate::protocol::request::Failure;
use crate::types::call_site::CallSite;
use crate::types::time;
use crate::types::time::Timestamp;

/// A section, or why not. The error is boxed because every level of nested async calls has room for it.
pub(crate) type Entered = Result<Section, Box<LockError>>;

/// A section that is being waited for. Dropped before it is ready, nothing stays behind.
pub(crate) enum Entering {
    /// It could be entered, or refused, at once.
    Ready(Option<Entered>),
    /// The server was asked, or a sibling runs under the same hold.
    Waiting(Waiting),
    /// Others of this process come before under a hold that it has.
    Near(Waiting),
}

type Waiting = Pin<Box<dyn Future<Output = Entered> + Send>>;

const ONCE: &str = "an entry is looked at once";

/// Asks for `key`: re-enters the hold of an ancestor, or asks for one of its own.
pub(crate) fn enter(
    manager: &LockManager,
    key: &str,
    options: &Options,
    call_site: CallSite,
) -> Entering {
    let nested = with_current(|here| reenter(manager, key, options, call_site, here?));
    nested.unwrap_or_else(|| take(manager, key, options, call_site, current()))
}

/// The same for code inside of `here`, which need not be where this runs.
fn enter_within(
    manager: &LockManager,
    key: &str,
    options: &Options,
    call_site: CallSite,
    here: Option<Arc<Frame>>,
) -> Entering {
    let nested = here.as_ref().and_then(|here| reenter(manager, key, options, call_site, here));
    nested.unwrap_or_else(|| take(manager, key, options, call_site, here))
}

/// Asks for `key` and waits for it on this thread.
pub(crate) fn enter_blocking(
    manager: &LockManager,
    key: &str,
    options: &Options,
    call_site: CallSite,
) -> Entered {
    let nested = with_current(|here| reenter(manager, key, options, call_site, here?));
    if !matches!(nested, Some(Entering::Ready(_)))
        && let Some(error) = blocks_holder(manager, key, options, call_site)
    {
        return Err(error.into());
    }
    nested.unwrap_or_else(|| take(manager, key, options, call_site, current())).block()
}

/// The error of a call that is about to wait on this thread for a section further down on its stack.
fn blocks_holder(
    manager: &LockManager,
    key: &str,
    options: &Options,
    call_site: CallSite,
) -> Option<LockError> {
    let holder = match with_current(|here| here?.find(manager.id(), key).cloned()) {
        // It re-enters when a sibling's turn is over.
        Some(ancestor) => below(|frame| frame.has_turn_under(&ancestor)),
        None => below(|frame| frame.keeps(manager.id(), key) && frame.lease().loss().is_none()),
    }?;
    // A request that tries once does not wait.
    let waits = options.wait_by(manager) != Some(Duration::ZERO);
    waits.then(|| {
        let kind = DeadlockKind::BlocksHolder { holder: holder.call_site().to_string() };
        deadlock_at_once(manager, key, call_site, kind)
    })
}

/// The way into a hold that an ancestor of `here` has; `None` if none has it.
fn reenter(
    manager: &LockManager,
    key: &str,
    options: &Options,
    call_site: CallSite,
    here: &Arc<Frame>,
) -> Option<Entering> {
    let ancestor = here.find(manager.id(), key)?;
    if !options.reenters(manager) {
        return Some(Entering::refused(not_reentrant(manager, key, call_site, ancestor)));
    }
    // As far as the I/O thread knows: the code around this call runs on just as much, and the outermost exit asks the
    // clock.
    if let Some(loss) = ancestor.lease().reported_loss() {
        return Some(Entering::refused(LockError::lost(key, loss)));
    }
    if let Some(ttl) = options.ttl {
        if let Err(error) = manager.check_ttl(ttl) {
            return Some(Entering::refused(error));
        }
        ancestor.lease().ensure_ttl(ttl);
    }
    Some(match Section::try_nested(here, ancestor) {
        Some(section) => Entering::Ready(Some(Ok(section))),
        None if options.wait_by(manager) == Some(Duration::ZERO) => {
            Entering::refused(LockError::busy_here(key, Duration::ZERO))
        }
        None => Entering::turn(manager, key, options, call_site, here, ancestor),
    })
}

/// The error of a call that may not re-enter the hold of `ancestor`.
fn not_reentrant(
    manager: &LockManager,
    key: &str,
    call_site: CallSite,
    ancestor: &Arc<Frame>,
) -> LockError {
    let kind = DeadlockKind::NotReentrant { holder: ancestor.call_site().to_string() };
    deadlock_at_once(manager, key, call_site, kind)
}

#[cold]
fn deadlock_at_once(
    manager: &LockManager,
    key: &str,
    call_site: CallSite,
    kind: DeadlockKind,
) -> LockError {
    let caller = manager.process().owner_info(Duration::ZERO, call_site, time::now());
    LockError::deadlock_at_once(key, caller, kind)
}

/// Gets a hold: one that this process keeps, or by way of the line of its key, or from the server directly.
fn take(
    manager: &LockManager,
    key: &str,
    options: &Options,
    call_site: CallSite,
    here: Option<Arc<Frame>>,
) -> Entering {
    let terms = match manager.terms(options) {
        Ok(terms) => terms,
        Err(error) => return Entering::refused(error),
    };
    warn_lock_order(manager, here.as_ref(), call_site, &[key]);
    let params = manager.params(options, terms, call_site);
    if options.is_global(manager) {
        return Entering::asked(manager, &key.into(), params, here);
    }
    // Without `linger` there is seldom one that is kept; the line knows of it too.
    if !params.linger.is_zero()
        && let Some(share) = manager.queues().take_idle(key, params)
    {
        let share = share.with_ttl(params.terms.ttl);
        let section = Section::outermost(here, manager.id(), share, call_site);
        return Entering::Ready(Some(Ok(section)));
    }
    let key = key.into();
    match manager.queues().join(&key, params) {
        JoinOutcome::Queued(answer) => {
            let near = answer.is_likely_soon();
            let answer = Answering::WaitForTurn(answer);
            match Entering::answered(manager, &key, params, answer, here) {
                Entering::Waiting(waiting) if near => Entering::Near(waiting),
                entering => entering,
            }
        }
        JoinOutcome::WouldWait => Entering::asked(manager, &key, params, here),
    }
}

/// Compares the order in which these locks are taken with those seen before, if that is wanted.
fn warn_lock_order(
    manager: &LockManager,
    here: Option<&Arc<Frame>>,
    call_site: CallSite,
    keys: &[&str],
) {
    if let Some(here) = here.filter(|_| manager.lints_order()) {
        lock_order::noted_inside(here.taken(), call_site, keys);
    }
}

impl Entering {
    pub(crate) fn refused(error: LockError) -> Self {
        Self::Ready(Some(Err(Box::new(error))))
    }

    /// A request that is sent to the server.
    fn asked(
        manager: &LockManager,
        key: &Arc<str>,
        params: AcquireParams,
        here: Option<Arc<Frame>>,
    ) -> Self {
        let answer = Answering::asked(manager, key, params);
        Self::answered(manager, key, params, answer, here)
    }

    /// The section of a hold that was asked for.
    fn answered(
        manager: &LockManager,
        key: &Arc<str>,
        params: AcquireParams,
        answer: Answering,
        here: Option<Arc<Frame>>,
    ) -> Self {
        let (key, manager) = (Arc::clone(key), manager.clone());
        // Who holds nothing keeps nobody waiting.
        let waits = here.as_ref().map(|here| Waits::for_key(&manager, &key, &params, here));
        Self::Waiting(Box::pin(async move {
            let answer = answer.taken_up(&manager, &key, params);
            let mailbox = manager.mailbox();
            let answer = match waits {
                Some(waits) => watched(waits, unless_forked(mailbox, answer)).await?,
                None => unless_forked(mailbox, answer).await,
            };
            match answer {
                Some(Ok(share)) => {
                    let share = share.with_ttl(params.terms.ttl);
                    Ok(Section::outermost(here, manager.id(), share, params.call_site))
                }
                Some(Err(failure)) => {
                    let waited = time::now().since(params.since);
                    Err(LockError::from_failure(&key, waited, failure).into())
                }
                None => Err(mailbox.closed(&key).into()),
            }
        }))
    }

    fn turn(
        manager: &LockManager,
        key: &str,
        options: &Options,
        call_site: CallSite,
        here: &Arc<Frame>,
        ancestor: &Arc<Frame>,
    ) -> Self {
        let wait = options.wait_by(manager);
        let turn = Section::nested(Arc::clone(here), Arc::clone(ancestor));
        let (key, since) = (Arc::<str>::from(key), time::now());
        let waits = Waits::for_turn(manager, &key, since, call_site, here, ancestor);
        let mailbox = manager.mailbox().clone();
        Self::Waiting(Box::pin(async move {
            let deadline = wait.map(|wait| since.plus(wait));
            let turn = async { Some(before(&mailbox, deadline, turn).await) };
            let section = watched(waits, unless_forked(&mailbox, turn)).await?;
            let section = section.ok_or_else(|| mailbox.closed(&key))?;
            let busy = || LockError::busy_here(&key, time::now().since(since));
            let section = section.ok_or_else(busy)?.ok_or_else(|| LockError::released(&key))?;
            // The hold may have been lost while the sibling ran.
            match section.lease().loss() {
                Some(loss) => Err(LockError::lost(&key, loss).into()),
                None => Ok(section),
            }
        }))
    }

    /// Waits on this thread.
    pub(crate) fn block(self) -> Entered {
        match self {
            Self::Ready(entered) => entered.expect(ONCE),
            _ if is_io_thread() => Err(LockError::config(
                "a lock was waited for on the I/O thread of a lock manager, which would wait for itself; take it on another thread",
            )
            .into()),
            Self::Waiting(waiting) => block_on(waiting),
            Self::Near(waiting) => block_on_with_spin(waiting),
        }
    }

    /// The section, or why not, once.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Entered> {
        match self {
            Self::Waiting(waiting) | Self::Near(waiting) => waiting.as_mut().poll(context),
            Self::Ready(entered) => Poll::Ready(entered.take().expect(ONCE)),
        }
    }

    /// Waits as a task.
    pub(crate) async fn wait(mut self) -> Entered {
        poll_fn(|context| self.poll(context)).await
    }
}

impl Mailbox {
    /// Why nothing comes from there any more.
    pub(crate) fn closed(&self, key: &str) -> LockError {
        let closing = if self.is_forked() {
            Closing::Forked
        } else if self.has_panicked() {
            Closing::Panicked
        } else {
            Closing::ShutDown
        };
        LockError::closed(key, closing)
    }
}

/// The output of a wait. It is `None` at once in a fork: the thread that ends the wait may not exist there.
async fn unless_forked<T>(mailbox: &Mailbox, wait: impl Future<Output = Option<T>>) -> Option<T> {
    let (mut wait, mut is_looked_at) = (pin!(wait), false);
    poll_fn(|context| {
        let polled = wait.as_mut().poll(context);
        if polled.is_pending() && !is_looked_at {
            is_looked_at = true;
            if mailbox.is_forked() {
                return Poll::Ready(None);
            }
        }
        polled
    })
    .await
}

/// A request whose answer is on its way.
enum Answering {
    WaitForTurn(WaitForTurn),
    AcquireFuture(AcquireFuture),
}

impl Answering {
    fn asked(manager: &LockManager, key: &Arc<str>, params: AcquireParams) -> Self {
        Self::AcquireFuture(manager.mailbox().acquire(manager.request(key, params)))
    }

    /// The answer. One that was taken back, because nobody polled this for so long, is asked for again in a new place.
    async fn taken_up(
        mut self,
        manager: &LockManager,
        key: &Arc<str>,
        params: AcquireParams,
    ) -> Option<AcquireOutcome> {
        loop {
            let (answer, was_in_line) = match self {
                Self::WaitForTurn(answer) => (answer.await, true),
                Self::AcquireFuture(answer) => (answer.await, false),
            };
            let Some(Err(Failure::Unclaimed)) = answer else { return answer };
            self = match was_in_line.then(|| manager.queues().join(key, params)) {
                Some(JoinOutcome::Queued(answer)) => Self::WaitForTurn(answer),
                Some(JoinOutcome::WouldWait) | None => Self::asked(manager, key, params),
            };
        }
    }
}

/// The future's output, unless `deadline` comes first.
pub(crate) async fn before<F: Future>(
    mailbox: &Mailbox,
    deadline: Option<Timestamp>,
    future: F,
) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut alarm = pin!(mailbox.sleep_until(deadline));
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        alarm.as_mut().poll(context).map(|()| None)
    })
    .await
}

impl Options {
    /// How long to wait, with the manager's default where the call sets nothing.
    pub(crate) fn wait_by(&self, manager: &LockManager) -> Option<Duration> {
        self.wait.or(manager.defaults().wait)
    }

    /// Whether the hold is asked of the server directly and handed on to nobody.
    fn is_global(&self, manager: &LockManager) -> bool {
        self.strict_fifo || manager.defaults().strict_fifo
    }

    /// Whether a call re-enters a hold around it, likewise.
    fn reenters(&self, manager: &LockManager) -> bool {
        self.reenter.or(manager.defaults().reenter).unwrap_or(true)
    }
}
