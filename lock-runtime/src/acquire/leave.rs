//! The way out of a section.

use std::sync::Arc;

use crate::error::LockError;
use crate::local::lease::Lease;
use crate::owner::section::Section;
use crate::protocol::request::{Loss, ReleaseOutcome};
use crate::user_code::wakers;

/// Leaves a section: the loss of its hold, if it was lost, and the release, which nobody waits for.
#[expect(clippy::needless_pass_by_value, reason = "the section ends here")]
pub(crate) fn leave(section: Section) -> Result<(), LockError> {
    match section.loss() {
        Some((lease, loss)) => Err(LockError::lost(lease.key(), loss)),
        None => Ok(()),
    }
}

/// Leaves a section and waits until the server has confirmed the release. While others still share the hold
/// there is nothing to confirm.
pub(crate) async fn leave_confirmed(section: Section) -> Result<(), LockError> {
    let mut outcome = Ok(());
    if let Some((lease, loss)) = section.loss() {
        outcome = Err(LockError::lost(lease.key(), loss));
    }
    for (lease, answer) in section.end_confirmed() {
        let confirmed = match wakers::with_guarded(answer).await.unwrap_or(ReleaseOutcome::Unknown)
        {
            ReleaseOutcome::Held => Ok(()),
            ReleaseOutcome::NotHeld => Err(LockError::lost(lease.key(), Loss::NotOnServer)),
            ReleaseOutcome::Unknown => Err(LockError::unconfirmed(lease.key())),
            ReleaseOutcome::Refused(why) => Err(LockError::not_released(lease.key(), &why)),
        };
        outcome = outcome.and(confirmed);
    }
    outcome
}

impl Section {
    /// The first loss among its holds. An outermost section looks at the clock; a nested one leaves that to it.
    pub(crate) fn loss(&self) -> Option<(&Arc<Lease>, Loss)> {
        self.all().find_map(|section| {
            let lease = section.lease();
            let outermost = section.is_outermost();
            let loss = if outermost { lease.loss() } else { lease.reported_loss() };
            Some((lease, loss?))
        })
    }
}
