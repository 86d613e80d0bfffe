//! Rejects a function that returns a future through a type alias.
//!
//! The attribute sees only tokens, so it leaves the question to the compiler:
//! `return_probe::<R>().distlock_is_not_a_future()`. Method resolution prefers the method of
//! `ReturnProbe`, which exists only if `R` is a future and never compiles. For any other type it
//! falls back, by `Deref`, to the method of `AnyReturn`. A type parameter without a `Future` bound
//! counts as no future. The prefix `distlock_` avoids the methods of blanket traits of the user,
//! which come between the two.

use std::marker::PhantomData;
use std::ops::Deref;

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
