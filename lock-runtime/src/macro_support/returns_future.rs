//! Refuses a function that returns a future under a name in which the attribute sees none.
//!
//! Only the compiler knows what a name stands for, so it is asked:
//! `returned::<R>().distlock_is_finished()`. A method of the type itself goes before one of the
//! type that it dereferences to, but only where the bounds of its `impl` hold. A type parameter
//! that is not said to be a future counts as none. Between the two comes any trait of the user that
//! is implemented for all types, hence the prefix.

use std::marker::PhantomData;
use std::ops::Deref;

/// A return type, as one that may be a future.
#[derive(Debug)]
pub struct Returned<R>(AnyOther<R>);

/// A return type, as one that is no future.
#[derive(Debug)]
pub struct AnyOther<R>(PhantomData<fn() -> R>);

/// A future in the place of a value.
#[derive(Debug)]
pub enum Unfinished {}

/// What an annotated function returns when its work is done.
#[diagnostic::on_unimplemented(
    message = "the lock would be released before this future has run",
    label = "the attribute sees no future in this name, so it would lock no more than the making \
        of it",
    note = "write the future out, `Pin<Box<dyn Future<Output = T>>>` or `impl Future<Output = T>`, \
            or make the function an `async fn`: the lock is then held until the future has run,",
    note = "or return the future inside a `Result`, if only the making of it is to be locked"
)]
pub trait Finished {}

#[diagnostic::do_not_recommend]
impl Finished for () {}

/// The return type of an annotated function that has been taken for one that returns no future.
#[must_use]
pub const fn returned<R>() -> Returned<R> {
    Returned(AnyOther(PhantomData))
}

#[expect(
    clippy::unused_self,
    reason = "a method, so that the one of the type itself goes before the other"
)]
impl<R: Future> Returned<R> {
    /// Does not compile where it is called. The bound leaves `R` out: the compiler would propose it
    /// for a type parameter. It has a lifetime because one without any parameter is refused here
    /// already.
    pub const fn distlock_is_finished<'a>(&'a self)
    where
        &'a Unfinished: Finished,
    {
    }
}

#[expect(
    clippy::unused_self,
    reason = "a method, so that the one of the type itself goes before the other"
)]
impl<R> AnyOther<R> {
    /// Compiles.
    pub const fn distlock_is_finished(&self) {}
}

impl<R> Deref for Returned<R> {
    type Target = AnyOther<R>;

    fn deref(&self) -> &AnyOther<R> {
        &self.0
    }
}
