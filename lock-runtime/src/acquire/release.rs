//! Releases a section.

use crate::error::LockError;
use crate::owner::section::Section;
use crate::protocol::request::{Loss, ReleaseOutcome};
use crate::user_code::wakers;

/// Releases without waiting for the server. The error is a loss that came before.
#[expect(clippy::needless_pass_by_value, reason = "the section ends here")]
pub(crate) fn release(section: Section) -> Result<(), LockError> {
    match section.loss() {
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
