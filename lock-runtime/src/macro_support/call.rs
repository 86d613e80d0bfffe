//! What the expansion of the attribute calls.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::time::Duration;

use crate::acquire::multi::LockKeys;
use crate::acquire::{release, release_and_wait, release_frameless};
use crate::api::hold::{Hold, current};
use crate::api::manager::LockManager;
use crate::error::{Busy, LockError};
use crate::link::wait::block_on;
use crate::macro_support::call_setup::{CallSetup, LockedFn};
use crate::macro_support::locked_future::{Confirmed, LockedCall, NotConfirmed, ReleaseMode};
use crate::macro_support::return_value::{ErrorPolicy, FromLockError, SkipValue};
use crate::owner::context::InContext;
use crate::owner::section::Section;
use crate::types::replicas::Replicas;

/// `ttl = "5s"` and the like.
#[must_use]
pub const fn milliseconds(milliseconds: u64) -> Option<Duration> {
    Some(Duration::from_millis(milliseconds))
}

/// As [`milliseconds`], for what is more exact.
#[must_use]
pub const fn duration(seconds: u64, nanoseconds: u32) -> Option<Duration> {
    Some(Duration::new(seconds, nanoseconds))
}

/// `replicas = 1`
#[must_use]
pub const fn replicas(count: u8) -> Option<Replicas> {
    Some(Replicas::count(count))
}

/// `replicas = "all"`
#[must_use]
pub const fn all_replicas() -> Option<Replicas> {
    Some(Replicas::All)
}

/// A call that returns its errors in the function's own return type.
pub fn call<R: FromLockError>(site: &'static LockedFn, keys: &[fmt::Arguments<'_>]) -> Call<R> {
    Call::new(site, keys, ErrorPolicy::propagate())
}

/// A call that panics with its errors: `on_error = panic`.
pub fn call_or_panic<R>(site: &'static LockedFn, keys: &[fmt::Arguments<'_>]) -> Call<R> {
    Call::new(site, keys, ErrorPolicy::panic())
}

/// A call that returns a `Result` around the function's value: `on_error = |err| …`.
pub fn try_call<R>(
    site: &'static LockedFn,
    keys: &[fmt::Arguments<'_>],
) -> Call<R, Result<R, LockError>> {
    Call::new(site, keys, ErrorPolicy::result())
}

/// As [`call`], and the function's own handler takes [`LockError::Busy`]: `if_busy = |busy| …`.
pub fn call_unless_busy<R: FromLockError>(
    site: &'static LockedFn,
    keys: &[fmt::Arguments<'_>],
) -> Call<R, Result<R, std::boxed::Box<Busy>>> {
    Call::new(site, keys, ErrorPolicy::propagate_unless_busy())
}

/// As [`call_or_panic`], in the same way.
pub fn call_or_panic_unless_busy<R>(
    site: &'static LockedFn,
    keys: &[fmt::Arguments<'_>],
) -> Call<R, Result<R, std::boxed::Box<Busy>>> {
    Call::new(site, keys, ErrorPolicy::panic_unless_busy())
}

/// A call of an annotated function.
#[derive(Debug)]
#[must_use]
pub struct Call<R, O = R, M = NotConfirmed> {
    setup: CallSetup,
    policy: ErrorPolicy<R, O>,
    release: PhantomData<M>,
}

impl<R, O> Call<R, O> {
    fn new(
        site: &'static LockedFn,
        keys: &[fmt::Arguments<'_>],
        policy: ErrorPolicy<R, O>,
    ) -> Self {
        Self { setup: CallSetup::new(site, keys), policy, release: PhantomData }
    }

    /// `if_busy = skip`. The expansion names `V`, which is `R`: a type that cannot be skipped is
    /// reported there.
    pub fn or_skip<V: SkipValue>(self) -> Call<V, O>
    where
        Self: Into<Call<V, O>>,
    {
        let call = self.into();
        Call { policy: call.policy.or_skip(V::skipped), ..call }
    }

    /// `release = confirmed`
    pub fn wait_for_release(self) -> Call<R, O, Confirmed> {
        Call { setup: self.setup, policy: self.policy, release: PhantomData }
    }
}

impl<R, O, M: ReleaseMode> Call<R, O, M> {
    /// `keys = …`, in place of the keys that the call was made with.
    pub fn keys(&mut self, keys: Vec<String>) {
        self.setup.keys = LockKeys::multiple(keys);
    }

    /// `manager = …`
    pub fn manager(&mut self, manager: &impl AsManager) {
        self.setup.manager = Some(manager.as_manager().clone());
    }

    /// `ttl = self.ttl`
    pub fn ttl(&mut self, ttl: Duration) {
        self.setup.overrides().ttl = Some(ttl);
    }

    /// `wait = self.wait`
    pub fn wait(&mut self, wait: Duration) {
        self.setup.overrides().wait = Some(wait);
    }

    /// `max_hold = self.max_hold`
    pub fn max_hold(&mut self, max_hold: Duration) {
        self.setup.overrides().max_hold = Some(max_hold);
    }

    /// `min_hold = self.min_hold`
    pub fn min_hold(&mut self, min_hold: Duration) {
        self.setup.overrides().min_hold = Some(min_hold);
    }

    /// `replicas = self.replicas`
    pub fn replicas(&mut self, replicas: impl Into<Replicas>) {
        self.setup.overrides().replicas = Some(replicas.into());
    }

    /// `confirm = self.confirm`
    pub fn confirm(&mut self, confirm: Duration) {
        self.setup.overrides().confirm = Some(confirm);
    }

    /// `linger = self.linger`
    pub fn linger(&mut self, linger: Duration) {
        self.setup.overrides().linger = Some(linger);
    }

    /// Runs the body of a synchronous function.
    pub fn run(self, body: impl FnOnce() -> R) -> O {
        let mut body = Some(body);
        self.run_once(&mut || take_and_run(&mut body))
    }

    /// Runs the body of a synchronous function, with its hold.
    pub fn run_with_hold(self, body: impl FnOnce(Hold) -> R) -> O {
        self.run(|| body(inside()))
    }

    /// Runs the body of a synchronous function, with a hold for each key of its list.
    pub fn run_with_holds<const N: usize>(self, body: impl FnOnce([Hold; N]) -> R) -> O {
        let listed = self.setup.keys.list().to_vec();
        self.run(|| body(inside_each(&listed)))
    }

    /// Runs the body of an async function. The lock is asked for at the first poll.
    ///
    /// It takes what makes the body's future, not the future: a caller that hands one over has room
    /// for it twice, and twice again at each level of nesting.
    pub fn run_async<F>(self, make: impl FnOnce() -> F) -> impl Future<Output = O>
    where
        F: Future<Output = R>,
    {
        InContext::new(LockedCall::<R, O, M>::new(self.setup, self.policy), make())
    }

    /// Runs the body of an async function, with its hold.
    pub fn run_async_with_hold<F>(self, make: impl FnOnce(Hold) -> F) -> impl Future<Output = O>
    where
        F: Future<Output = R>,
    {
        self.run_async(|| async { make(inside()).await })
    }

    /// Runs the body of an async function, with a hold for each key of its list.
    pub fn run_async_with_holds<const N: usize, F>(
        self,
        make: impl FnOnce([Hold; N]) -> F,
    ) -> impl Future<Output = O>
    where
        F: Future<Output = R>,
    {
        let listed = self.setup.keys.list().to_vec();
        self.run_async(|| async move { make(inside_each(&listed)).await })
    }

    // Without the body's own type, so that it is compiled once for each type of value.
    fn run_once(self, body: &mut dyn FnMut() -> R) -> O {
        if let Some(section) = self.setup.reenter_innermost() {
            let value = body();
            let released = release_frameless(section);
            return self.policy.completed(value, released.err());
        }
        match self.setup.acquire_blocking() {
            Ok(mut section) => {
                section.begin(None);
                let value = section.run(body);
                self.release(section, value)
            }
            Err(error) => self.policy.failed(*error),
        }
    }

    fn release(self, section: Section, value: R) -> O {
        match M::keep(value) {
            Ok(kept) => {
                let released = block_on(release_and_wait(section));
                self.policy.completed(M::restore(kept), released.err())
            }
            Err(value) => self.policy.completed(value, release(section).err()),
        }
    }
}

fn take_and_run<R>(body: &mut Option<impl FnOnce() -> R>) -> R {
    body.take().expect("a body runs once")()
}

/// The hold of the body that is about to run.
fn inside() -> Hold {
    current().expect("a body runs inside its hold")
}

/// The holds of the body that is about to run, in the order of its list.
fn inside_each<const N: usize>(listed: &[String]) -> [Hold; N] {
    let hold = inside();
    std::array::from_fn(|index| {
        hold.for_key(&listed[index]).expect("a body runs inside the hold of each of its keys")
    })
}

/// A [`LockManager`], or what dereferences to one: a reference, an `Arc`, the guard of a mutex.
///
/// A trait and not a coercion, because an expected type would reach into a `match`, an `if`, a `?`
/// or an `.await`, which then could not be a reference.
#[diagnostic::on_unimplemented(
    message = "`manager` takes a `LockManager`, and this is `{Self}`",
    label = "neither a `LockManager` nor a reference to one",
    note = "for an `Option` or a `Result` write `expr?` or `expr.expect(\"…\")`, for a cell \
        `cell.get().expect(\"…\")`"
)]
pub trait AsManager {
    /// The manager itself.
    fn as_manager(&self) -> &LockManager;
}

#[diagnostic::do_not_recommend]
impl AsManager for LockManager {
    fn as_manager(&self) -> &LockManager {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<T: Deref<Target: AsManager>> AsManager for T {
    fn as_manager(&self) -> &LockManager {
        self.deref().as_manager()
    }
}

/// The value of a call, or what `on_error = |err| …` makes of its error. By a function of ours:
/// teams forbid some of the standard library's.
pub fn handle<R>(result: Result<R, LockError>, on_error: impl FnOnce(LockError) -> R) -> R {
    match result {
        Ok(value) => value,
        Err(error) => on_error(error),
    }
}

/// The value of a call, or what `if_busy = |busy| …` makes of a lock that is held.
pub fn handle_busy<R>(
    result: Result<R, std::boxed::Box<Busy>>,
    if_busy: impl FnOnce(Busy) -> R,
) -> R {
    match result {
        Ok(value) => value,
        Err(busy) => if_busy(*busy),
    }
}

/// Sets [`LockError::Busy`] apart, for a function that handles it and other errors differently.
pub fn split_busy<R>(result: Result<R, LockError>) -> Result<R, Failed<R>> {
    result.map_err(|error| match error {
        LockError::Busy(busy) => Failed::Busy(Unanswered(busy, PhantomData)),
        error => Failed::Other(Unanswered(std::boxed::Box::new(error), PhantomData)),
    })
}

/// Why a call has no value.
#[derive(Debug)]
pub enum Failed<R> {
    /// For `if_busy = |busy| …`.
    Busy(Unanswered<Busy, R>),
    /// For `on_error = |err| …`.
    Other(Unanswered<LockError, R>),
}

/// An error, and the type of the value to make of it: the handler's value is coerced to that.
#[derive(Debug)]
pub struct Unanswered<E, R>(std::boxed::Box<E>, PhantomData<fn() -> R>);

impl<E, R> Unanswered<E, R> {
    /// What the handler makes of the error.
    pub fn answer(self, handler: impl FnOnce(E) -> R) -> R {
        handler(*self.0)
    }
}

/// Makes the future of a function that returns one: a `return` in such a body needs a closure of
/// its own.
pub fn make<R>(body: impl FnOnce() -> R) -> R {
    body()
}

/// A value for code that never runs: the attribute names the type of an async block by it.
#[must_use]
pub fn never<R>() -> R {
    unreachable!("the attribute's output does not run this")
}

/// `Box::pin` in a crate that may be without `std`. Other attributes look for a function of this
/// name.
#[derive(Debug)]
pub struct Box;

impl Box {
    /// Pins a future.
    pub fn pin<F>(future: F) -> Pin<std::boxed::Box<F>> {
        std::boxed::Box::pin(future)
    }
}
