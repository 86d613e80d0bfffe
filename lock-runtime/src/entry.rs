//! The way into a section and out of it, for the attribute and for guards alike.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::driver::{Mailbox, block_on};
use crate::options::{Options, check_ttl};
use crate::owner::{Frame, ManagerId, Section, with_current};
use crate::protocol::{Loss, Request};
use crate::queue::{Answer, Taken, Terms, Wish};
use crate::time::{self, Timestamp};
use crate::{LockError, LockManager};

/// A section, or why not. The error is boxed because every level of nested async calls has room for it.
pub(crate) type Entered = Result<Section, Box<LockError>>;

/// A section that is being waited for. Dropped before it is ready, nothing stays behind.
pub(crate) enum Entering {
    /// It could be entered, or refused, at once.
    Ready(Option<Entered>),
    /// The server was asked, or a sibling runs under the same hold.
    Waiting(Pin<Box<dyn Future<Output = Entered> + Send>>),
}

const ONCE: &str = "an entry is looked at once";

/// Asks for `key`: re-enters the hold of an ancestor, or sends a request. `function`: who asks, for others to read.
pub(crate) fn enter(
    manager: &LockManager,
    key: &str,
    options: &Options,
    function: impl Fn() -> String,
) -> Entering {
    let nested = with_current(|here| reenter(manager, key, options, here?));
    if let Some(entering) = nested {
        return entering;
    }
    match manager.terms(options) {
        Ok(terms) => ask(manager, key, options, terms, function),
        Err(error) => Entering::refused(error),
    }
}

/// Gets a hold: one that this process keeps, or by way of the line of its key, or from the server directly.
fn ask(
    manager: &LockManager,
    key: &str,
    options: &Options,
    terms: Terms,
    function: impl Fn() -> String,
) -> Entering {
    let who = || manager.claimant(terms.ttl, function());
    if options.is_global(manager) {
        return Entering::asked(manager, manager.request(key, options, terms, who()));
    }
    let linger = options.linger.unwrap_or_default();
    if let Some(share) = manager.queues().take(key, terms, linger, who) {
        return Entering::Ready(Some(Ok(Section::outermost(manager.id(), share))));
    }
    let request = manager.request(key, options, terms, who());
    let (key, since) = (Arc::clone(&request.key), request.since);
    match manager.queues().join(Wish { request, linger }) {
        Taken::InLine(waits) => {
            Entering::Waiting(Box::pin(answer(waits, key, since, manager.id())))
        }
        Taken::NotNext(wish) => Entering::asked(manager, wish.request),
    }
}

/// The way into a hold that an ancestor of `here` has; `None` if none has it.
fn reenter(
    manager: &LockManager,
    key: &str,
    options: &Options,
    here: &Arc<Frame>,
) -> Option<Entering> {
    let ancestor = here.find(manager.id(), key)?;
    // As far as the I/O thread knows: the code around this call runs on just as much, and the outermost exit asks the
    // clock.
    if let Some(loss) = ancestor.lease().reported_loss() {
        return Some(Entering::refused(LockError::lost(key, loss)));
    }
    if let Some(ttl) = options.ttl {
        if let Err(error) = check_ttl(ttl) {
            return Some(Entering::refused(error));
        }
        ancestor.lease().lengthen(ttl);
    }
    Some(match Section::try_nested(here, ancestor) {
        Some(section) => Entering::Ready(Some(Ok(section))),
        None if options.wait_by(manager) == Some(Duration::ZERO) => {
            Entering::refused(LockError::busy_here(key, Duration::ZERO))
        }
        None => {
            let turn = Section::nested(Arc::clone(here), Arc::clone(ancestor));
            Entering::turn(manager, key, options, turn)
        }
    })
}

impl Entering {
    pub(crate) fn refused(error: LockError) -> Self {
        Self::Ready(Some(Err(Box::new(error))))
    }

    /// A request that is sent to the server.
    fn asked(manager: &LockManager, request: Request) -> Self {
        let (key, since) = (Arc::clone(&request.key), request.since);
        let asked = manager.mailbox().request(request);
        Self::Waiting(Box::pin(answer(asked, key, since, manager.id())))
    }

    fn turn(
        manager: &LockManager,
        key: &str,
        options: &Options,
        turn: impl Future<Output = Option<Section>> + Send + 'static,
    ) -> Self {
        let key: Box<str> = key.into();
        let wait = options.wait_by(manager);
        let mailbox = manager.mailbox().clone();
        Self::Waiting(Box::pin(async move {
            let since = time::now();
            let section = before(mailbox, wait.map(|wait| since.plus(wait)), turn).await;
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
            Self::Waiting(waiting) => block_on(waiting),
        }
    }

    /// The section, or why not, once.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Entered> {
        match self {
            Self::Waiting(waiting) => waiting.as_mut().poll(context),
            Self::Ready(entered) => Poll::Ready(entered.take().expect(ONCE)),
        }
    }

    /// Waits as a task.
    pub(crate) async fn wait(mut self) -> Entered {
        poll_fn(|context| self.poll(context)).await
    }
}

/// The section of a hold that was asked for.
async fn answer(
    asked: impl Future<Output = Option<Answer>>,
    key: Arc<str>,
    since: Timestamp,
    manager: ManagerId,
) -> Entered {
    match asked.await {
        Some(Ok(share)) => Ok(Section::outermost(manager, share)),
        Some(Err(failure)) => {
            let waited = time::now().since(since);
            Err(LockError::from_failure(&key, waited, failure).into())
        }
        None => Err(LockError::closed(&key).into()),
    }
}

/// The future's output, unless `deadline` comes first.
async fn before<F: Future>(
    mailbox: Mailbox,
    deadline: Option<Timestamp>,
    future: F,
) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut alarm = pin!(mailbox.alarm(deadline));
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        alarm.as_mut().poll(context).map(|()| None)
    })
    .await
}

#[expect(clippy::needless_pass_by_value, reason = "the section ends here")]
/// Leaves a section: the loss of its hold, if it was lost, and the release, which nobody waits for.
pub(crate) fn leave(section: Section) -> Result<(), LockError> {
    match section.loss() {
        Some(loss) => Err(LockError::lost(section.lease().key(), loss)),
        None => Ok(()),
    }
}

/// Leaves a section and waits until the server has confirmed the release. While others still share the hold
/// there is nothing to confirm.
pub(crate) async fn leave_confirmed(section: Section) -> Result<(), LockError> {
    let lease = Arc::clone(section.lease());
    let loss = section.loss();
    let confirmed = match section.end_confirmed() {
        Some(answer) => answer.await.ok().flatten(),
        None => Some(true),
    };
    match (loss, confirmed) {
        (Some(loss), _) => Err(LockError::lost(lease.key(), loss)),
        (None, Some(true)) => Ok(()),
        (None, Some(false)) => Err(LockError::lost(lease.key(), Loss::Gone)),
        (None, None) => Err(LockError::unconfirmed(lease.key())),
    }
}

impl Section {
    /// An outermost section looks at the clock; a nested one leaves that to it.
    fn loss(&self) -> Option<Loss> {
        if self.is_outermost() { self.lease().loss() } else { self.lease().reported_loss() }
    }
}

impl Options {
    /// How long to wait, with the manager's default where the call sets nothing.
    pub(crate) fn wait_by(&self, manager: &LockManager) -> Option<Duration> {
        self.wait.or(manager.defaults().wait)
    }

    /// Whether the hold is asked of the server directly and handed on to nobody.
    fn is_global(&self, manager: &LockManager) -> bool {
        self.global_fairness || manager.defaults().global_fairness
    }

    /// The ttl, likewise.
    pub(crate) fn ttl_by(&self, manager: &LockManager) -> Result<Duration, LockError> {
        let ttl = self.ttl.or(manager.defaults().ttl).expect("a manager has a default ttl");
        check_ttl(ttl).map(|()| ttl)
    }
}
