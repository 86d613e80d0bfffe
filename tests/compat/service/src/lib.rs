//! A service that reports the holder of a busy lock to its clients.

use distlock::{LockError, distributed_lock};

/// A reply: its status and its body.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply(pub u16, pub String);

/// Sells one piece.
#[distributed_lock("stock:{product}", wait = "0s")]
pub fn sell(product: u32) -> Result<(), LockError> {
    Ok(())
}

/// The reply to a client for an error.
#[must_use]
pub fn reply(error: &LockError) -> Reply {
    match error {
        LockError::Busy(busy) => {
            let after = busy.retry_after().map_or(1, |after| after.as_secs() + 1);
            let holder =
                busy.holder.as_ref().map_or_else(String::new, |holder| holder.function.clone());
            Reply(409, format!("held by {holder}, try again in {after} s"))
        }
        LockError::DataLoss(_) | LockError::Unavailable(_) | LockError::NoReply(_) => {
            Reply(503, "try again later".to_owned())
        }
        LockError::Lost(_) => Reply(500, "the result is not known".to_owned()),
        error => Reply(500, error.to_string()),
    }
}
