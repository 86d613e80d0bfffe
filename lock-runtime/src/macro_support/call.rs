//! What the expansion of the attribute calls.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::Location;
use std::pin::Pin;
use std::time::Duration;

use crate::acquire::multi::LockKeys;
use crate::acquire::options::Options;
use crate::acquire::{AcquireResult, Acquiring, release, release_and_wait};
use crate::api::global::with_global;
use crate::api::hold::{Hold, current};
use crate::api::manager::LockManager;
use crate::error::LockError;
use crate::io::block_on::block_on;
use crate::macro_support::locked_future::{Confirmed, LockedCall, NotConfirmed, ReleaseMode};
use crate::macro_support::return_value::{ErrorPolicy, FromLockError, SkipIfBusy, SkipValue};
use crate::owner::context::InContext;
use crate::owner::section::Section;
use crate::types::owner_info::{CallSite, FunctionInfo};

/// The compile-time data of an annotated function. The expansion contains one as a `static`.
#[derive(Debug)]
pub struct LockedFn {
    label: FunctionInfo,
    pub(crate) options: Options,
    hold_each: bool,
}

impl LockedFn {
    /// The function with default settings. The location is that of the caller.
    #[must_use]
    #[track_caller]
    pub const fn new(
        module: &'static str,
        function: &'static str,
        key_pattern: &'static str,
    ) -> Self {
        let location = Location::caller();
        let label = FunctionInfo { module, function, key_pattern, location };
        Self { label, options: Options::DEFAULT, hold_each: false }
    }

    pub(crate) const fn call_site(&'static self) -> CallSite {
        CallSite::Function(&self.label)
    }

    /// The keys of a list: in the order of the list if each hold has a name, else sorted.
    pub(crate) fn keys(&self, keys: &[fmt::Arguments<'_>]) -> LockKeys {
        if self.hold_each { LockKeys::listed(keys) } else { LockKeys::from_list(keys) }
    }

    /// `hold = [from, to]`
    #[must_use]
    pub const fn hold_each(mut self) -> Self {
        self.hold_each = true;
        self
    }

    /// `ttl = "…"`
    #[must_use]
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttl = Some(ttl);
        self
    }

    /// `wait = "…"`
    #[must_use]
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.options.wait = Some(wait);
        self
    }

    /// `max_hold = "…"`
    #[must_use]
    pub const fn max_hold(mut self, max_hold: Duration) -> Self {
        self.options.max_hold = Some(max_hold);
        self
    }

    /// `linger = "…"`
    #[must_use]
    pub const fn linger(mut self, linger: Duration) -> Self {
        self.options.linger = Some(linger);
        self
    }

    /// `renew = …`
    #[must_use]
    pub const fn renew(mut self, renew: bool) -> Self {
        self.options.renew = renew;
        self
    }

    /// `reenter = …`
    #[must_use]
    pub const fn reenter(mut self, reenter: bool) -> Self {
        self.options.reenter = Some(reenter);
        self
    }

    /// `on_lost = finish`
    #[must_use]
    pub const fn on_lost_finish(mut self) -> Self {
        self.options.finish_when_lost = true;
        self
    }

    /// `fairness = strict`
    #[must_use]
    pub const fn strict_fifo(mut self) -> Self {
        self.options.strict_fifo = true;
        self
    }
}

/// A call of an annotated function.
#[derive(Debug)]
#[must_use]
pub struct Call<R, O = R, M = NotConfirmed> {
    setup: CallSetup,
    policy: ErrorPolicy<R, O>,
    release: PhantomData<M>,
}

/// A call without its types. Not generic, so that it is not compiled again in each crate that has
/// annotated functions.
#[derive(Debug)]
struct CallSetup {
    site: &'static LockedFn,
    keys: LockKeys,
    manager: Option<LockManager>,
    /// The options of the function and of this call. Boxed because few calls set any.
    overrides: Option<std::boxed::Box<Options>>,
}

impl CallSetup {
    const fn new(site: &'static LockedFn, keys: LockKeys) -> Self {
        Self { site, keys, manager: None, overrides: None }
    }

    fn overrides(&mut self) -> &mut Options {
        self.overrides.get_or_insert_with(|| std::boxed::Box::new(self.site.options))
    }

    fn options(&self) -> &Options {
        self.overrides.as_deref().unwrap_or(&self.site.options)
    }

    fn acquire(&self) -> Acquiring {
        let acquire = |manager: &LockManager| {
            self.keys.acquire(manager.core(), self.options(), self.site.call_site())
        };
        self.with_manager(acquire).unwrap_or_else(Acquiring::failed)
    }

    /// Blocks this thread.
    fn acquire_blocking(&self) -> AcquireResult {
        let acquire = |manager: &LockManager| {
            self.keys.acquire_blocking(manager.core(), self.options(), self.site.call_site())
        };
        self.with_manager(acquire)?
    }

    fn with_manager<R>(&self, with: impl FnOnce(&LockManager) -> R) -> Result<R, LockError> {
        match &self.manager {
            Some(manager) => Ok(with(manager)),
            None => with_global(with),
        }
    }
}

/// A call that returns its errors in the function's own return type.
pub fn call<R: FromLockError>(site: &'static LockedFn, key: fmt::Arguments<'_>) -> Call<R> {
    Call::new(site, LockKeys::single(key), ErrorPolicy::propagate())
}

/// A call that panics with its errors: `on_error = panic`.
pub fn call_or_panic<R>(site: &'static LockedFn, key: fmt::Arguments<'_>) -> Call<R> {
    Call::new(site, LockKeys::single(key), ErrorPolicy::panic())
}

/// A call that returns a `Result` around the function's value: `on_error = |err| …`.
pub fn try_call<R>(
    site: &'static LockedFn,
    key: fmt::Arguments<'_>,
) -> Call<R, Result<R, LockError>> {
    Call::new(site, LockKeys::single(key), ErrorPolicy::result())
}

/// As [`call`], for several keys that are acquired together.
pub fn call_all<R: FromLockError>(site: &'static LockedFn, keys: &[fmt::Arguments<'_>]) -> Call<R> {
    Call::new(site, site.keys(keys), ErrorPolicy::propagate())
}

/// As [`call_or_panic`], for several keys.
pub fn call_all_or_panic<R>(site: &'static LockedFn, keys: &[fmt::Arguments<'_>]) -> Call<R> {
    Call::new(site, site.keys(keys), ErrorPolicy::panic())
}

/// As [`try_call`], for several keys.
pub fn try_call_all<R>(
    site: &'static LockedFn,
    keys: &[fmt::Arguments<'_>],
) -> Call<R, Result<R, LockError>> {
    Call::new(site, site.keys(keys), ErrorPolicy::result())
}

/// Makes the future of a function that returns one: a `return` in such a body needs a closure of
/// its own.
pub fn make<R>(body: impl FnOnce() -> R) -> R {
    body()
}

/// The value of a call, or what `on_error = |err| …` makes of its error. By a function of ours:
/// teams forbid some of the standard library's.
pub fn handle<R>(result: Result<R, LockError>, on_error: impl FnOnce(LockError) -> R) -> R {
    match result {
        Ok(value) => value,
        Err(error) => on_error(error),
    }
}

/// `ttl = "5s"` and the like.
#[must_use]
pub const fn milliseconds(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// As [`milliseconds`], for what is more exact.
#[must_use]
pub const fn duration(seconds: u64, nanoseconds: u32) -> Duration {
    Duration::new(seconds, nanoseconds)
}

/// A value for code that never runs: the attribute names the type of an async block by it.
#[must_use]
pub fn never<R>() -> R {
    unreachable!("the attribute's output does not run this")
}

/// As [`never`], with a use of a variable: a closure that contains it takes the variable with it.
#[must_use]
pub fn never_with<T, R>(_: T) -> R {
    never()
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

impl<R, O> Call<R, O> {
    fn new(site: &'static LockedFn, keys: LockKeys, policy: ErrorPolicy<R, O>) -> Self {
        Self { setup: CallSetup::new(site, keys), policy, release: PhantomData }
    }

    /// `if_busy = skip`: tries once, unless the call says how long to wait.
    ///
    /// The expansion names `V`, which is `R`: a type that cannot be skipped is reported there.
    pub fn or_skip<V: SkipValue>(mut self) -> Self
    where
        ErrorPolicy<R, O>: SkipIfBusy<Value = V>,
    {
        self.setup.overrides().wait.get_or_insert(Duration::ZERO);
        Self { policy: self.policy.skip_if_busy(V::skipped), ..self }
    }

    /// `release = confirmed`
    pub fn wait_for_release(self) -> Call<R, O, Confirmed> {
        Call { setup: self.setup, policy: self.policy, release: PhantomData }
    }
}

impl<R, O, M: ReleaseMode> Call<R, O, M> {
    /// `manager = …`
    pub fn manager(mut self, manager: &impl AsManager) -> Self {
        self.setup.manager = Some(manager.as_manager().clone());
        self
    }

    /// `ttl = …`
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.setup.overrides().ttl = Some(ttl);
        self
    }

    /// `wait = …`
    pub fn wait(mut self, wait: Duration) -> Self {
        self.setup.overrides().wait = Some(wait);
        self
    }

    /// `max_hold = …`
    pub fn max_hold(mut self, max_hold: Duration) -> Self {
        self.setup.overrides().max_hold = Some(max_hold);
        self
    }

    /// `linger = …`
    pub fn linger(mut self, linger: Duration) -> Self {
        self.setup.overrides().linger = Some(linger);
        self
    }

    /// `reenter = …`
    pub fn reenter(mut self, reenter: bool) -> Self {
        self.setup.overrides().reenter = Some(reenter);
        self
    }

    /// Runs the body of a synchronous function.
    pub fn run(self, body: impl FnOnce() -> R) -> O {
        let mut body = Some(body);
        self.run_once(&mut || body.take().map(|body| body()))
    }

    /// Runs the body of a synchronous function, with its hold.
    pub fn run_with_hold(self, body: impl FnOnce(Hold) -> R) -> O {
        self.run(|| body(inside()))
    }

    /// Runs the body of a synchronous function, with a hold for each key of its list. The site says
    /// `hold_each`.
    pub fn run_with_holds<const N: usize>(self, body: impl FnOnce([Hold; N]) -> R) -> O {
        let listed = self.setup.keys.list().to_vec();
        self.run(|| body(inside_each(&listed)))
    }

    /// Runs the body of an async function. The lock is asked for when this is called, which the
    /// attribute's output does at its first poll.
    ///
    /// It takes what makes the body's future, not the future: a caller that hands one over has room
    /// for it twice, and twice again at each level of nesting.
    pub fn run_async<F>(self, make: impl FnOnce() -> F) -> impl Future<Output = O>
    where
        F: Future<Output = R>,
    {
        InContext::new(self.locked(), make())
    }

    /// Runs the body of an async function, with its hold.
    pub fn run_async_with_hold<F>(self, make: impl FnOnce(Hold) -> F) -> impl Future<Output = O>
    where
        F: Future<Output = R>,
    {
        self.run_async(|| async { make(inside()).await })
    }

    /// Runs the body of an async function, with a hold for each key of its list. The site says
    /// `hold_each`.
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
    fn run_once(self, body: &mut dyn FnMut() -> Option<R>) -> O {
        match self.setup.acquire_blocking() {
            Ok(mut section) => {
                let value = section.run(body).expect("a body runs once");
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

    fn locked(self) -> LockedCall<R, O, M> {
        let acquiring = self.setup.acquire();
        LockedCall::new(acquiring, self.policy, self.setup.options().finish_when_lost)
    }
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
