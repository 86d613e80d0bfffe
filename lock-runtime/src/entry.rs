//! The way into a section and out of it, for the attribute and for guards alike.

use std::borrow::Cow;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::driver::{Asked, Mailbox, block_on};
use crate::options::{Options, check_ttl};
use crate::owner::{Frame, Section, current};
use crate::protocol::Loss;
use crate::time::{self, Timestamp};
use crate::{LockError, LockManager};

/// A section that is being waited for. Dropped before it is ready, nothing stays behind.
pub(crate) enum Entering {
    /// It could be entered, or refused, at once.
    Ready(Option<Result<Section, LockError>>),
    /// The server was asked.
    Asked(Waiting),
    /// A sibling runs under the same hold.
    Turn(Pin<Box<dyn Future<Output = Result<Section, LockError>> + Send>>),
}

pub(crate) struct Waiting {
    asked: Asked,
    key: Arc<str>,
    since: Timestamp,
    manager: LockManager,
}

/// Asks for `key`: re-enters the hold of an ancestor, or sends a request. `function`: who asks, for others to read.
pub(crate) fn enter(
    manager: &LockManager,
    key: &str,
    options: &Options,
    function: impl FnOnce() -> Cow<'static, str>,
) -> Entering {
    if let Some(here) = current()
        && let Some((ancestor, lease)) = here.find(manager.id(), key)
    {
        if let Some(loss) = ancestor.cell().loss() {
            return Entering::refused(LockError::lost(key, loss));
        }
        if let Some(ttl) = options.ttl {
            lease.lengthen(ttl);
        }
        return match Section::try_nested(&here, &ancestor, &lease) {
            Some(section) => Entering::Ready(Some(Ok(section))),
            None if options.wait_by(manager) == Some(Duration::ZERO) => {
                Entering::refused(LockError::busy_here(key, Duration::ZERO))
            }
            None => Entering::turn(manager, key, options, Section::nested(here, ancestor, lease)),
        };
    }
    match manager.request(key, options, function()) {
        Ok((request, since)) => {
            let key = Arc::clone(&request.key);
            let asked = manager.mailbox().request(request);
            Entering::Asked(Waiting { asked, key, since, manager: manager.clone() })
        }
        Err(error) => Entering::refused(error),
    }
}

impl Entering {
    pub(crate) fn refused(error: LockError) -> Self {
        Self::Ready(Some(Err(error)))
    }

    fn turn(
        manager: &LockManager,
        key: &str,
        options: &Options,
        turn: impl Future<Output = Section> + Send + 'static,
    ) -> Self {
        let key: Box<str> = key.into();
        let wait = options.wait_by(manager);
        let mailbox = manager.mailbox().clone();
        Self::Turn(Box::pin(async move {
            let since = time::now();
            let section = before(mailbox, wait.map(|wait| since.plus(wait)), turn).await;
            let section =
                section.ok_or_else(|| LockError::busy_here(&key, time::now().since(since)))?;
            // The hold may have been lost while the sibling ran.
            match section.cell().loss() {
                Some(loss) => Err(LockError::lost(&key, loss)),
                None => Ok(section),
            }
        }))
    }

    /// Waits on this thread.
    pub(crate) fn block(self) -> Result<Section, LockError> {
        match self {
            Self::Ready(ready) => ready.expect("a fresh entry has its result"),
            waiting => block_on(waiting),
        }
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

impl Future for Entering {
    type Output = Result<Section, LockError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Ready(ready) => Poll::Ready(ready.take().expect("polled after it was ready")),
            Self::Asked(waiting) => waiting.poll(context),
            Self::Turn(turn) => turn.as_mut().poll(context),
        }
    }
}

impl Waiting {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Section, LockError>> {
        let Poll::Ready(answer) = Pin::new(&mut self.asked).poll(context) else {
            return Poll::Pending;
        };
        Poll::Ready(match answer {
            Some(Ok(lease)) => Ok(Section::outermost(self.manager.id(), lease)),
            Some(Err(failure)) => {
                let waited = time::now().since(self.since);
                Err(LockError::from_failure(&self.key, waited, failure))
            }
            None => Err(LockError::closed(&self.key)),
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the section ends here")]
/// Leaves a section: the loss of its hold, if it was lost, and the release, which nobody waits for.
pub(crate) fn leave(section: Section) -> Result<(), LockError> {
    match section.loss() {
        Some(loss) => Err(LockError::lost(section.cell().key(), loss)),
        None => Ok(()),
    }
}

/// Leaves a section and waits until the server has confirmed the release. While others still share the hold
/// there is nothing to confirm.
pub(crate) async fn leave_confirmed(section: Section) -> Result<(), LockError> {
    let cell = Arc::clone(section.cell());
    let loss = section.loss();
    let confirmed = match section.into_last() {
        Some(lease) => lease.end_confirmed().await.ok().flatten(),
        None => Some(true),
    };
    match (loss, confirmed) {
        (Some(loss), _) => Err(LockError::lost(cell.key(), loss)),
        (None, Some(true)) => Ok(()),
        (None, Some(false)) => Err(LockError::lost(cell.key(), Loss::Gone)),
        (None, None) => Err(LockError::Lost {
            key: cell.key().into(),
            reason: "the server did not confirm the release".into(),
        }),
    }
}

impl Section {
    /// An outermost section looks at the clock; a nested one leaves that to it.
    fn loss(&self) -> Option<Loss> {
        if self.is_outermost() { self.cell().loss() } else { self.cell().reported_loss() }
    }

    /// The frame to run in.
    pub(crate) fn hold(&self) -> crate::Hold {
        crate::Hold::new(Arc::<Frame>::clone(self.frame()))
    }
}

impl Options {
    /// How long to wait, with the manager's default where the call sets nothing.
    pub(crate) fn wait_by(&self, manager: &LockManager) -> Option<Duration> {
        self.wait.or(manager.defaults().wait)
    }

    /// The ttl, likewise.
    pub(crate) fn ttl_by(&self, manager: &LockManager) -> Result<Duration, LockError> {
        let ttl = self.ttl.or(manager.defaults().ttl).expect("a manager has a default ttl");
        check_ttl(ttl).map(|()| ttl)
    }
}
