//! What an annotated function yields when its lock was not had, or was lost.

use std::marker::PhantomData;

use crate::LockError;

/// A return type with room for a [`LockError`]: a `Result` whose error type is made from one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no room for a `LockError`",
    label = "the lock may be unavailable, and this type cannot say so",
    note = "return a `Result<_, E>` where `E: From<LockError>` (`LockError`, `anyhow::Error`, `std::io::Error`, or an enum with \
            a `#[from] LockError` variant),",
    note = "or write `on_error = panic` or `on_error = |err| ...` in the attribute"
)]
pub trait FromLockError {
    /// The value that carries the error.
    fn from_lock_error(error: LockError) -> Self;

    /// Whether a loss of the lock must take the place of this value: an error of the body's own stays.
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

/// A return type with a value that says "skipped, somebody else runs it": `()`, `None`, `Ok(())`, `Ok(None)`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no value for a call that was skipped",
    label = "`if_busy = skip` needs `()`, `Option<_>`, or a `Result` of one of these",
    note = "return one of these, or leave `if_busy = skip` out and handle `LockError::Busy`"
)]
pub trait SkipValue {
    /// That value.
    fn skipped() -> Self;
}

impl SkipValue for () {
    fn skipped() -> Self {}
}

impl<T> SkipValue for Option<T> {
    fn skipped() -> Self {
        None
    }
}

impl<T: SkipValue, E> SkipValue for Result<T, E> {
    fn skipped() -> Self {
        Ok(T::skipped())
    }
}

/// What a call does with its body's value and with errors of the lock.
pub trait Policy<R> {
    /// What the call yields.
    type Output;

    /// The body ran; the error says that the lock was lost meanwhile.
    fn done(value: R, lost: Option<LockError>) -> Self::Output;

    /// The body did not run, or not to its end.
    fn failed(error: LockError) -> Self::Output;
}

/// The default: the error goes into the function's own return type.
#[derive(Debug)]
pub struct Propagate(());

/// `on_error = panic`
#[derive(Debug)]
pub struct Panics(());

/// `on_error = |err| …`: the attribute appends the closure.
#[derive(Debug)]
pub struct Returns(());

/// `if_busy = skip` on top of one of the others.
#[derive(Debug)]
pub struct Skips<P>(PhantomData<P>);

impl<R: FromLockError> Policy<R> for Propagate {
    type Output = R;

    fn done(value: R, lost: Option<LockError>) -> R {
        match lost {
            Some(error) if value.is_success() => R::from_lock_error(error),
            _ => value,
        }
    }

    fn failed(error: LockError) -> R {
        R::from_lock_error(error)
    }
}

impl<R> Policy<R> for Panics {
    type Output = R;

    fn done(value: R, lost: Option<LockError>) -> R {
        match lost {
            Some(error) => Self::failed(error),
            None => value,
        }
    }

    fn failed(error: LockError) -> R {
        panic!("{error}")
    }
}

impl<R> Policy<R> for Returns {
    type Output = Result<R, LockError>;

    fn done(value: R, lost: Option<LockError>) -> Self::Output {
        lost.map_or(Ok(value), Err)
    }

    fn failed(error: LockError) -> Self::Output {
        Err(error)
    }
}

impl<R: SkipValue, P: Policy<R>> Policy<R> for Skips<P> {
    type Output = P::Output;

    fn done(value: R, lost: Option<LockError>) -> P::Output {
        P::done(value, lost)
    }

    fn failed(error: LockError) -> P::Output {
        match error {
            LockError::Busy { .. } => P::done(R::skipped(), None),
            error => P::failed(error),
        }
    }
}
