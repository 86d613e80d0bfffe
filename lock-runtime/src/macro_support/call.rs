//! What the attribute's output calls.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use crate::acquire::keys::Keys;
use crate::acquire::leave::{leave, leave_confirmed};
use crate::api::hold::{Hold, current};
use crate::error::LockError;
use crate::io::block_on::block_on;
use crate::macro_support::as_manager::AsManager;
use crate::macro_support::caller::Caller;
use crate::macro_support::locked_fn::Site;
use crate::macro_support::locked_future::{Passage, Run};
use crate::macro_support::on_error::{
    Confirms, FromLockError, Panics, Policy, Propagate, Returns, SkipValue, Skips,
};
use crate::owner::section::Section;

/// A call of an annotated function, with what becomes of its value and of errors.
#[derive(Debug)]
#[must_use]
pub struct Call<P> {
    caller: Caller,
    policy: P,
}

/// A call that yields its errors in the function's own return type.
pub fn call<R: FromLockError>(site: &'static Site, key: fmt::Arguments<'_>) -> Call<Propagate<R>> {
    Call::new(site, Keys::one(key), Propagate::new())
}

/// A call that panics with its errors: `on_error = panic`.
pub fn call_or_panic<R>(site: &'static Site, key: fmt::Arguments<'_>) -> Call<Panics<R>> {
    Call::new(site, Keys::one(key), Panics::new())
}

/// A call that yields a `Result` around the function's value: `on_error = |err| …`.
pub fn try_call<R>(site: &'static Site, key: fmt::Arguments<'_>) -> Call<Returns<R>> {
    Call::new(site, Keys::one(key), Returns::new())
}

/// As [`call`], for several keys that are taken together.
pub fn call_all<R: FromLockError>(
    site: &'static Site,
    keys: &[fmt::Arguments<'_>],
) -> Call<Propagate<R>> {
    Call::new(site, site.keys(keys), Propagate::new())
}

/// As [`call_or_panic`], for several keys.
pub fn call_all_or_panic<R>(site: &'static Site, keys: &[fmt::Arguments<'_>]) -> Call<Panics<R>> {
    Call::new(site, site.keys(keys), Panics::new())
}

/// As [`try_call`], for several keys.
pub fn try_call_all<R>(site: &'static Site, keys: &[fmt::Arguments<'_>]) -> Call<Returns<R>> {
    Call::new(site, site.keys(keys), Returns::new())
}

/// Makes the future of a function that returns one: a `return` in such a body needs a closure of its own.
pub fn make<R>(body: impl FnOnce() -> R) -> R {
    body()
}

/// The value of a call, or what `on_error = |err| …` makes of its error. By a function of ours: teams forbid some of the
/// standard library's.
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

/// `Box::pin` in a crate that may be without `std`. Other attributes look for a function of this name.
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

impl<P: Policy> Call<P> {
    fn new(site: &'static Site, keys: Keys, policy: P) -> Self {
        Self { caller: Caller::new(site, keys), policy }
    }

    /// `if_busy = skip`: tries once, unless the call says how long to wait.
    pub fn or_skip<R: SkipValue>(self) -> Call<Skips<P>>
    where
        P: Policy<Value = R>,
    {
        let Self { mut caller, policy } = self;
        caller.try_once();
        Call { caller, policy: Skips::new(policy) }
    }

    /// `release = confirmed`
    pub fn wait_for_release(self) -> Call<Confirms<P>> {
        Call { caller: self.caller, policy: Confirms(self.policy) }
    }

    /// `manager = …`
    pub fn manager(mut self, manager: &impl AsManager) -> Self {
        self.caller.set_manager(manager.as_manager());
        self
    }

    /// `ttl = …`
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.caller.overrides().ttl = Some(ttl);
        self
    }

    /// `wait = …`
    pub fn wait(mut self, wait: Duration) -> Self {
        self.caller.overrides().wait = Some(wait);
        self
    }

    /// `max_hold = …`
    pub fn max_hold(mut self, max_hold: Duration) -> Self {
        self.caller.overrides().max_hold = Some(max_hold);
        self
    }

    /// `linger = …`
    pub fn linger(mut self, linger: Duration) -> Self {
        self.caller.overrides().linger = Some(linger);
        self
    }

    /// `reenter = …`
    pub fn reenter(mut self, reenter: bool) -> Self {
        self.caller.overrides().reenter = Some(reenter);
        self
    }

    /// Runs the body of a synchronous function.
    pub fn run(self, body: impl FnOnce() -> P::Value) -> P::Output {
        let mut body = Some(body);
        self.run_once(&mut || body.take().map(|body| body()))
    }

    /// Runs the body of a synchronous function, with its hold.
    pub fn run_with_hold(self, body: impl FnOnce(Hold) -> P::Value) -> P::Output {
        self.run(|| body(inside()))
    }

    /// Runs the body of a synchronous function, with a hold for each key of its list. The site says `hold_each`.
    pub fn run_with_holds<const N: usize>(
        self,
        body: impl FnOnce([Hold; N]) -> P::Value,
    ) -> P::Output {
        let listed = self.caller.listed();
        self.run(|| body(inside_each(&listed)))
    }

    /// Runs the body of an async function. The lock is asked for when this is called, which the attribute's output does
    /// at its first poll.
    ///
    /// It takes what makes the body's future, not the future: a caller that hands one over has room for it twice, and twice
    /// again at each level of nesting.
    pub fn run_async<F>(self, make: impl FnOnce() -> F) -> impl Future<Output = P::Output>
    where
        F: Future<Output = P::Value>,
    {
        Run::new(self.passage(), make())
    }

    /// Runs the body of an async function, with its hold.
    pub fn run_async_with_hold<F>(
        self,
        make: impl FnOnce(Hold) -> F,
    ) -> impl Future<Output = P::Output>
    where
        F: Future<Output = P::Value>,
    {
        self.run_async(|| async { make(inside()).await })
    }

    /// Runs the body of an async function, with a hold for each key of its list. The site says `hold_each`.
    pub fn run_async_with_holds<const N: usize, F>(
        self,
        make: impl FnOnce([Hold; N]) -> F,
    ) -> impl Future<Output = P::Output>
    where
        F: Future<Output = P::Value>,
    {
        let listed = self.caller.listed();
        self.run_async(|| async move { make(inside_each(&listed)).await })
    }

    // Without the body's own type, so that it is compiled once for each type of value.
    fn run_once(self, body: &mut dyn FnMut() -> Option<P::Value>) -> P::Output {
        match self.caller.enter_blocking() {
            Ok(mut section) => {
                let value = section.run(body).expect("a body runs once");
                self.exit(section, value)
            }
            Err(error) => self.policy.failed(*error),
        }
    }

    fn exit(self, section: Section, value: P::Value) -> P::Output {
        match P::keep(value) {
            Ok(kept) => {
                let left = block_on(leave_confirmed(section));
                self.policy.done(P::kept(kept), left.err())
            }
            Err(value) => self.policy.done(value, leave(section).err()),
        }
    }

    fn passage(self) -> Passage<P> {
        let entering = self.caller.enter();
        Passage::new(entering, self.policy, self.caller.options().finish_when_lost)
    }
}
