//! What an annotated function yields when its lock was not had, or was lost.

use std::convert::Infallible;
use std::marker::PhantomData;

use crate::error::LockError;

/// A return type with room for a [`LockError`]: a `Result` whose error type is made from one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no room for a `LockError`",
    label = "the lock may be unavailable, and this type cannot say so",
    note = "return a `Result<_, E>` where `E: From<LockError>`: `LockError`, `anyhow::Error`, `std::io::Error`, \
            `Box<dyn Error>`, or your own error with `impl From<LockError> for` it (with thiserror: a `#[from] LockError` \
            variant),",
    note = "or make a value of the error in the attribute: `on_error = |err| Err(err.to_string())` for a \
            `Result<_, String>`, `on_error = |_| None` for an `Option`,",
    note = "or give up on it there: `on_error = panic`"
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

/// What a call does with its body's value and with errors of the lock.
///
/// The bounds on the return type stand at the functions that make a policy, each once: a bound that is checked
/// again where the body is run would report one mistake twice.
pub trait Policy {
    /// What the body yields.
    type Value;
    /// What the call yields.
    type Output;
    /// What an async call keeps of the value while the server confirms the release; nothing where it does not wait for
    /// that, so that a value that is not `Send` leaves the call `Send`.
    type Kept;

    /// The value as it is kept, or the value itself if the release is not waited for.
    fn keep(value: Self::Value) -> Result<Self::Kept, Self::Value>;

    /// The value that was kept.
    fn kept(kept: Self::Kept) -> Self::Value;

    /// The body ran; the error says that the lock was lost meanwhile.
    fn done(&self, value: Self::Value, lost: Option<LockError>) -> Self::Output;

    /// The body did not run, or not to its end.
    fn failed(&self, error: LockError) -> Self::Output;
}

/// The default: the error goes into the function's own return type.
#[derive(Debug)]
pub struct Propagate<R> {
    from: fn(LockError) -> R,
    is_success: fn(&R) -> bool,
}

/// `on_error = panic`
#[derive(Debug)]
pub struct Panics<R>(PhantomData<fn() -> R>);

/// `on_error = |err| …`: the attribute appends the closure.
#[derive(Debug)]
pub struct Returns<R>(PhantomData<fn() -> R>);

/// `if_busy = skip` on top of one of the others.
#[derive(Debug)]
pub struct Skips<P: Policy> {
    inner: P,
    skipped: fn() -> P::Value,
}

/// `release = confirmed` on top of one of the others.
#[derive(Debug)]
pub struct Confirms<P>(pub(crate) P);

impl<R> Propagate<R> {
    pub(crate) fn new() -> Self
    where
        R: FromLockError,
    {
        Self { from: R::from_lock_error, is_success: R::is_success }
    }
}

impl<R> Panics<R> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<R> Returns<R> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<P: Policy> Skips<P> {
    pub(crate) fn new(inner: P) -> Self
    where
        P::Value: SkipValue,
    {
        Self { inner, skipped: P::Value::skipped }
    }
}

impl<R> Policy for Propagate<R> {
    type Value = R;
    type Output = R;
    type Kept = Infallible;

    fn keep(value: R) -> Result<Infallible, R> {
        Err(value)
    }

    fn kept(kept: Infallible) -> R {
        match kept {}
    }

    fn done(&self, value: R, lost: Option<LockError>) -> R {
        match lost {
            Some(error) if (self.is_success)(&value) => (self.from)(error),
            _ => value,
        }
    }

    fn failed(&self, error: LockError) -> R {
        (self.from)(error)
    }
}

impl<R> Policy for Panics<R> {
    type Value = R;
    type Output = R;
    type Kept = Infallible;

    fn keep(value: R) -> Result<Infallible, R> {
        Err(value)
    }

    fn kept(kept: Infallible) -> R {
        match kept {}
    }

    fn done(&self, value: R, lost: Option<LockError>) -> R {
        match lost {
            Some(error) => self.failed(error),
            None => value,
        }
    }

    fn failed(&self, error: LockError) -> R {
        panic!("{error}")
    }
}

impl<R> Policy for Returns<R> {
    type Value = R;
    type Output = Result<R, LockError>;
    type Kept = Infallible;

    fn keep(value: R) -> Result<Infallible, R> {
        Err(value)
    }

    fn kept(kept: Infallible) -> R {
        match kept {}
    }

    fn done(&self, value: R, lost: Option<LockError>) -> Self::Output {
        lost.map_or(Ok(value), Err)
    }

    fn failed(&self, error: LockError) -> Self::Output {
        Err(error)
    }
}

impl<P: Policy> Policy for Skips<P> {
    type Value = P::Value;
    type Output = P::Output;
    type Kept = P::Kept;

    fn keep(value: P::Value) -> Result<P::Kept, P::Value> {
        P::keep(value)
    }

    fn kept(kept: P::Kept) -> P::Value {
        P::kept(kept)
    }

    fn done(&self, value: P::Value, lost: Option<LockError>) -> P::Output {
        self.inner.done(value, lost)
    }

    fn failed(&self, error: LockError) -> P::Output {
        match error {
            LockError::Busy(_) => self.inner.done((self.skipped)(), None),
            error => self.inner.failed(error),
        }
    }
}

impl<P: Policy> Policy for Confirms<P> {
    type Value = P::Value;
    type Output = P::Output;
    type Kept = P::Value;

    fn keep(value: P::Value) -> Result<P::Value, P::Value> {
        Ok(value)
    }

    fn kept(kept: P::Value) -> P::Value {
        kept
    }

    fn done(&self, value: P::Value, lost: Option<LockError>) -> P::Output {
        self.0.done(value, lost)
    }

    fn failed(&self, error: LockError) -> P::Output {
        self.0.failed(error)
    }
}
