//! What an annotated function returns when its lock was not acquired, or was lost.

use std::marker::PhantomData;
use std::ops::Deref;

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

// The check of a return type that may be a future behind an alias.
//
// The attribute sees only tokens, so it leaves the question to the compiler:
// `return_probe::<R>().distlock_is_not_a_future()`. Method resolution prefers the method of
// `ReturnProbe`, which exists only if `R` is a future and never compiles. For any other type it
// falls back, by `Deref`, to the method of `AnyReturn`. A type parameter without a `Future` bound
// counts as no future. The prefix `distlock_` avoids the methods of blanket traits of the user,
// which come between the two.

/// A return type that may be a future.
#[derive(Debug)]
pub struct ReturnProbe<R>(AnyReturn<R>);

/// A return type that is not a future.
#[derive(Debug)]
pub struct AnyReturn<R>(PhantomData<fn() -> R>);

/// Stands for a future in the failing bound.
#[derive(Debug)]
pub enum UnawaitedFuture {}

/// A value that is complete when the function returns.
#[diagnostic::on_unimplemented(
    message = "the lock would be released before this future has run",
    label = "the attribute sees no future in this name, so it would lock no more than the making \
        of it",
    note = "write the future out, `Pin<Box<dyn Future<Output = T>>>` or `impl Future<Output = T>`, \
            or make the function an `async fn`: the lock is then held until the future has run,",
    note = "or return the future inside a `Result`, if only the making of it is to be locked"
)]
pub trait NotAFuture {}

#[diagnostic::do_not_recommend]
impl NotAFuture for () {}

/// Probes the return type of a function in which the attribute found no future.
#[must_use]
pub const fn return_probe<R>() -> ReturnProbe<R> {
    ReturnProbe(AnyReturn(PhantomData))
}

#[expect(clippy::unused_self, reason = "method resolution picks between the two")]
impl<R: Future> ReturnProbe<R> {
    /// Never compiles at its call. The bound does not mention `R`, because the compiler would
    /// suggest that bound to the user. It has a lifetime parameter, because a false bound without
    /// parameters would be an error in this file.
    pub const fn distlock_is_not_a_future<'a>(&'a self)
    where
        &'a UnawaitedFuture: NotAFuture,
    {
    }
}

#[expect(clippy::unused_self, reason = "method resolution picks between the two")]
impl<R> AnyReturn<R> {
    /// Always compiles.
    pub const fn distlock_is_not_a_future(&self) {}
}

impl<R> Deref for ReturnProbe<R> {
    type Target = AnyReturn<R>;

    fn deref(&self) -> &AnyReturn<R> {
        &self.0
    }
}
