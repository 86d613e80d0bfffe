//! What an annotated function returns when its lock was not acquired, or was lost.

use std::convert::Infallible;

use crate::error::LockError;

/// A return type with room for a [`LockError`]: a `Result` whose error type is made from one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no room for a `LockError`",
    label = "the lock may be unavailable, and this type cannot say so",
    note = "return a `Result<_, E>` where `E: From<LockError>`: `LockError`, `anyhow::Error`, \
            `std::io::Error`, `Box<dyn Error>`, or your own error with `impl From<LockError> for` \
            it (with thiserror: a `#[from] LockError` variant),",
    note = "or make a value of the error in the attribute: `on_error = |err| Err(err.to_string())` \
            for a `Result<_, String>`, `on_error = |_| None` for an `Option`,",
    note = "or give up on it there: `on_error = panic`"
)]
pub trait FromLockError {
    /// The value that carries the error.
    fn from_lock_error(error: LockError) -> Self;

    /// Whether a loss of the lock must take the place of this value: an error of the body's own
    /// stays.
    fn is_success(&self) -> bool;
}

#[diagnostic::do_not_recommend]
impl<T, E: From<LockError>> FromLockError for Result<T, E> {
    fn from_lock_error(error: LockError) -> Self {
        Err(E::from(error))
    }

    fn is_success(&self) -> bool {
        self.is_ok()
    }
}

/// A return type with a value that says "skipped, another call runs it": `()`, `None`, `Ok(())`,
/// `Ok(None)`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no value for a call that was skipped",
    label = "this type cannot say that the body did not run",
    note = "return `()`, `Option<_>`, `Result<(), _>` or `Result<Option<_>, _>`,",
    note = "or leave `if_busy = skip` out and handle `LockError::Busy`; `wait = \"0s\"` tries once"
)]
pub trait SkipValue {
    /// That value.
    fn skipped() -> Self;
}

#[diagnostic::do_not_recommend]
impl SkipValue for () {
    fn skipped() -> Self {}
}

#[diagnostic::do_not_recommend]
impl<T> SkipValue for Option<T> {
    fn skipped() -> Self {
        None
    }
}

#[diagnostic::do_not_recommend]
impl<T: SkipValue, E> SkipValue for Result<T, E> {
    fn skipped() -> Self {
        Ok(T::skipped())
    }
}

/// How a call ended.
#[derive(Debug)]
pub enum CallOutcome<R> {
    /// The body has run.
    Completed(R),
    /// The body has run, and the lease was lost meanwhile.
    Lost(R, LockError),
    /// The body did not run, or was cancelled.
    Failed(LockError),
}

/// What a call makes of its outcome: `on_error` and `if_busy`.
///
/// The bounds on the return type are at the constructors, each once. A bound that is checked again
/// where the body runs would report one mistake twice.
#[derive(Debug)]
pub struct ErrorPolicy<R, O> {
    resolve: fn(CallOutcome<R>) -> O,
    /// `if_busy = skip`
    skipped: Option<fn() -> R>,
}

impl<T> ErrorPolicy<T, T> {
    /// The default: the function returns the error.
    pub(crate) fn propagate() -> Self
    where
        T: FromLockError,
    {
        Self::new(|outcome| match outcome {
            CallOutcome::Lost(value, error) if value.is_success() => T::from_lock_error(error),
            CallOutcome::Completed(value) | CallOutcome::Lost(value, _) => value,
            CallOutcome::Failed(error) => T::from_lock_error(error),
        })
    }

    /// `on_error = panic`
    pub(crate) fn panic() -> Self {
        Self::new(|outcome| match outcome {
            CallOutcome::Completed(value) => value,
            CallOutcome::Lost(_, error) | CallOutcome::Failed(error) => panic!("{error}"),
        })
    }
}

impl<R> ErrorPolicy<R, Result<R, LockError>> {
    /// `on_error = |err| …`: the attribute appends the closure.
    pub(crate) fn result() -> Self {
        Self::new(|outcome| match outcome {
            CallOutcome::Completed(value) => Ok(value),
            CallOutcome::Lost(_, error) | CallOutcome::Failed(error) => Err(error),
        })
    }
}

impl<R, O> ErrorPolicy<R, O> {
    fn new(resolve: fn(CallOutcome<R>) -> O) -> Self {
        Self { resolve, skipped: None }
    }

    pub(crate) fn completed(&self, value: R, lost: Option<LockError>) -> O {
        (self.resolve)(match lost {
            Some(error) => CallOutcome::Lost(value, error),
            None => CallOutcome::Completed(value),
        })
    }

    pub(crate) fn failed(&self, error: LockError) -> O {
        match (&error, self.skipped) {
            (LockError::Busy(_), Some(skipped)) => self.completed(skipped(), None),
            _ => (self.resolve)(CallOutcome::Failed(error)),
        }
    }
}

/// Adds `if_busy = skip` to a policy.
pub trait SkipIfBusy {
    /// What the body returns.
    type Value;

    /// The same policy, with the value of a skipped call.
    #[must_use]
    fn skip_if_busy(self, skipped: fn() -> Self::Value) -> Self;
}

impl<R, O> SkipIfBusy for ErrorPolicy<R, O> {
    type Value = R;

    fn skip_if_busy(self, skipped: fn() -> R) -> Self {
        Self { skipped: Some(skipped), ..self }
    }
}

/// Whether a call waits until the server has confirmed the release.
pub trait ReleaseMode {
    /// The value as an async call keeps it while it waits. Nothing where it does not wait, so that
    /// a value that is not `Send` leaves the call `Send`.
    type Kept<R>;

    /// The value to keep, or the value itself if the call does not wait.
    fn keep<R>(value: R) -> Result<Self::Kept<R>, R>;

    /// The value that was kept.
    fn restore<R>(kept: Self::Kept<R>) -> R;
}

/// The default: the release is sent and not waited for.
#[derive(Debug)]
pub enum NotConfirmed {}

/// `release = confirmed`
#[derive(Debug)]
pub enum Confirmed {}

impl ReleaseMode for NotConfirmed {
    type Kept<R> = Infallible;

    fn keep<R>(value: R) -> Result<Infallible, R> {
        Err(value)
    }

    fn restore<R>(kept: Infallible) -> R {
        match kept {}
    }
}

impl ReleaseMode for Confirmed {
    type Kept<R> = R;

    fn keep<R>(value: R) -> Result<R, R> {
        Ok(value)
    }

    fn restore<R>(kept: R) -> R {
        kept
    }
}
