//! What an annotated function returns when its lock was not acquired, or was lost.

use std::marker::PhantomData;
use std::ops::Deref;

use crate::error::{Busy, LockError};

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

/// The value of a body that has run, or why there is none. An error of a lease that was lost while
/// the body ran comes with the value.
type Ended<R> = Result<R, (LockError, Option<R>)>;

/// What a call makes of its end: `on_error` and `if_busy`.
///
/// The bounds on the return type are where a policy is made, each once. A bound that is checked
/// again where the body runs would report one mistake twice.
#[derive(Debug)]
pub(crate) struct ErrorPolicy<R, O> {
    resolve: fn(Ended<R>) -> O,
    /// `if_busy = skip`
    skipped: Option<fn() -> R>,
}

impl<R, O> ErrorPolicy<R, O> {
    fn new(resolve: fn(Ended<R>) -> O) -> Self {
        Self { resolve, skipped: None }
    }

    pub(crate) fn or_skip(self, skipped: fn() -> R) -> Self {
        Self { skipped: Some(skipped), ..self }
    }

    pub(crate) fn completed(&self, value: R, lost: Option<LockError>) -> O {
        (self.resolve)(match lost {
            Some(error) => Err((error, Some(value))),
            None => Ok(value),
        })
    }

    /// The body did not run, or was cancelled.
    pub(crate) fn failed(&self, error: LockError) -> O {
        (self.resolve)(match (&error, self.skipped) {
            (LockError::Busy(_), Some(skipped)) => Ok(skipped()),
            _ => Err((error, None)),
        })
    }
}

impl<T> ErrorPolicy<T, T> {
    /// The default: the function returns the error.
    pub(crate) fn propagate() -> Self
    where
        T: FromLockError,
    {
        Self::new(|ended| match ended {
            Ok(value) => value,
            Err((_, Some(failed))) if !failed.is_success() => failed,
            Err((error, _)) => T::from_lock_error(error),
        })
    }

    /// `on_error = panic`
    pub(crate) fn panic() -> Self {
        Self::new(|ended| ended.unwrap_or_else(|(error, _)| panic!("{error}")))
    }
}

impl<R> ErrorPolicy<R, Result<R, Box<Busy>>> {
    /// As [`ErrorPolicy::propagate`]; the attribute appends the handler of `if_busy = |busy| …`.
    pub(crate) fn propagate_unless_busy() -> Self
    where
        R: FromLockError,
    {
        Self::new(|ended| match ended {
            Ok(value) => Ok(value),
            Err((_, Some(failed))) if !failed.is_success() => Ok(failed),
            Err((LockError::Busy(busy), None)) => Err(busy),
            Err((error, _)) => Ok(R::from_lock_error(error)),
        })
    }

    /// As [`ErrorPolicy::panic`], in the same way.
    pub(crate) fn panic_unless_busy() -> Self {
        Self::new(|ended| match ended {
            Ok(value) => Ok(value),
            Err((LockError::Busy(busy), None)) => Err(busy),
            Err((error, _)) => panic!("{error}"),
        })
    }
}

impl<R> ErrorPolicy<R, Result<R, LockError>> {
    /// `on_error = |err| …`: the attribute appends the closure.
    pub(crate) fn result() -> Self {
        Self::new(|ended| ended.map_err(|(error, _)| error))
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
