//! What the attribute's output calls.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::driver::block_on;
use crate::entry::{Entering, enter, leave, leave_confirmed};
use crate::options::Options;
use crate::output::{
    Confirms, FromLockError, Panics, Policy, Propagate, Returns, SkipValue, Skips,
};
use crate::owner::Section;
use crate::run::Run;
use crate::site::Site;
use crate::{Hold, LockManager, global};

/// A call of an annotated function: its site, its key, and what it sets apart from the site.
#[derive(Debug)]
#[must_use]
pub struct Call<P> {
    site: &'static Site,
    key: Cow<'static, str>,
    manager: Option<LockManager>,
    /// What the call sets beside the site; boxed as few do.
    overrides: Option<Box<Options>>,
    policy: P,
}

/// A call that yields its errors in the function's own return type.
pub fn call<R: FromLockError>(site: &'static Site, key: fmt::Arguments<'_>) -> Call<Propagate<R>> {
    Call::new(site, key, Propagate::new())
}

/// A call that panics with its errors: `on_error = panic`.
pub fn call_or_panic<R>(site: &'static Site, key: fmt::Arguments<'_>) -> Call<Panics<R>> {
    Call::new(site, key, Panics::new())
}

/// A call that yields a `Result` around the function's value: `on_error = |err| …`.
pub fn try_call<R>(site: &'static Site, key: fmt::Arguments<'_>) -> Call<Returns<R>> {
    Call::new(site, key, Returns::new())
}

/// Makes the future of a function that returns one: a `return` in such a body needs a closure of its own.
pub fn make<R>(body: impl FnOnce() -> R) -> R {
    body()
}

impl<P: Policy> Call<P> {
    fn new(site: &'static Site, key: fmt::Arguments<'_>, policy: P) -> Self {
        let key = match key.as_str() {
            Some(constant) => Cow::Borrowed(constant),
            None => Cow::Owned(key.to_string()),
        };
        Self { site, key, manager: None, overrides: None, policy }
    }

    /// `if_busy = skip`: tries once, unless the call says how long to wait.
    pub fn or_skip<R: SkipValue>(self) -> Call<Skips<P>>
    where
        P: Policy<Value = R>,
    {
        let Self { site, key, manager, overrides, policy } = self;
        let mut call = Call { site, key, manager, overrides, policy: Skips::new(policy) };
        call.overrides().wait.get_or_insert(Duration::ZERO);
        call
    }

    /// `release = confirmed`
    pub fn release_confirmed(self) -> Call<Confirms<P>> {
        let Self { site, key, manager, overrides, policy } = self;
        Call { site, key, manager, overrides, policy: Confirms(policy) }
    }

    /// `manager = …`
    pub fn manager(mut self, manager: &LockManager) -> Self {
        self.manager = Some(manager.clone());
        self
    }

    /// `ttl = …`
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.overrides().ttl = Some(ttl);
        self
    }

    /// `wait = …`
    pub fn wait(mut self, wait: Duration) -> Self {
        self.overrides().wait = Some(wait);
        self
    }

    /// `max_hold = …`
    pub fn max_hold(mut self, max_hold: Duration) -> Self {
        self.overrides().max_hold = Some(max_hold);
        self
    }

    /// Runs the body of a synchronous function.
    pub fn run(self, body: impl FnOnce() -> P::Value) -> P::Output {
        self.perform(|section| section.run(body))
    }

    /// Runs the body of a synchronous function, with its hold.
    pub fn run_with_hold(self, body: impl FnOnce(Hold) -> P::Value) -> P::Output {
        self.perform(|section| {
            let hold = section.hold();
            section.run(|| body(hold))
        })
    }

    /// Runs the body of an async function. Asks for the lock when it is called, which the attribute's output does
    /// at its first poll.
    pub fn run_async<F>(self, body: F) -> impl Future<Output = P::Output>
    where
        F: AsyncFnOnce() -> P::Value,
    {
        self.future(|_| body())
    }

    /// Runs the body of an async function, with its hold.
    pub fn run_async_with_hold<F>(self, body: F) -> impl Future<Output = P::Output>
    where
        F: AsyncFnOnce(Hold) -> P::Value,
    {
        self.future(|section| body(section.hold()))
    }

    fn future<M, F>(self, make: M) -> Run<P, M, F>
    where
        M: FnOnce(&Section) -> F,
        F: Future<Output = P::Value>,
    {
        let entering = self.begin();
        let finish_when_lost = self.options().finish_when_lost;
        Run::new(entering, make, self.policy, finish_when_lost)
    }

    fn perform(self, body: impl FnOnce(&mut Section) -> P::Value) -> P::Output {
        let mut section = match self.begin().block() {
            Ok(section) => section,
            Err(error) => return self.policy.failed(*error),
        };
        let value = body(&mut section);
        match P::keep(value) {
            Ok(kept) => {
                let left = block_on(leave_confirmed(section));
                self.policy.done(P::kept(kept), left.err())
            }
            Err(value) => self.policy.done(value, leave(section).err()),
        }
    }

    fn options(&self) -> &Options {
        self.overrides.as_deref().unwrap_or(&self.site.options)
    }

    fn overrides(&mut self) -> &mut Options {
        self.overrides.get_or_insert_with(|| Box::new(self.site.options))
    }

    fn begin(&self) -> Entering {
        let manager = match &self.manager {
            Some(manager) => manager,
            None => match global() {
                Ok(manager) => manager,
                Err(error) => return Entering::refused(error),
            },
        };
        enter(manager, &self.key, self.options(), || Cow::Borrowed(self.site.function))
    }
}
