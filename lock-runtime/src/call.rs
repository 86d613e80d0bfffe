//! What the attribute's output calls.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::driver::block_on;
use crate::entry::{Entering, enter, leave, leave_confirmed};
use crate::options::Options;
use crate::output::{FromLockError, Panics, Policy, Propagate, Returns, SkipValue, Skips};
use crate::owner::{Scope, Section};
use crate::protocol::Loss;
use crate::site::Site;
use crate::{Hold, LockError, LockManager, global};

/// A call of an annotated function: its site, its key, and what it sets apart from the site.
#[derive(Debug)]
#[must_use]
pub struct Call<P> {
    site: &'static Site,
    key: Cow<'static, str>,
    manager: Option<LockManager>,
    options: Options,
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
        Self { site, key, manager: None, options: site.options, policy }
    }

    /// `if_busy = skip`: tries once, unless the call says how long to wait.
    pub fn or_skip<R: SkipValue>(self) -> Call<Skips<P>>
    where
        P: Policy<Value = R>,
    {
        let Self { site, key, manager, mut options, policy } = self;
        options.wait.get_or_insert(Duration::ZERO);
        Call { site, key, manager, options, policy: Skips::new(policy) }
    }

    /// `manager = …`
    pub fn manager(mut self, manager: &LockManager) -> Self {
        self.manager = Some(manager.clone());
        self
    }

    /// `ttl = …`
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttl = Some(ttl);
        self
    }

    /// `wait = …`
    pub fn wait(mut self, wait: Duration) -> Self {
        self.options.wait = Some(wait);
        self
    }

    /// `max_hold = …`
    pub fn max_hold(mut self, max_hold: Duration) -> Self {
        self.options.max_hold = Some(max_hold);
        self
    }

    /// Runs the body of a synchronous function.
    pub fn run(self, body: impl FnOnce() -> P::Value) -> P::Output {
        self.perform(|_| body())
    }

    /// Runs the body of a synchronous function, with its hold.
    pub fn run_with_hold(self, body: impl FnOnce(Hold) -> P::Value) -> P::Output {
        self.perform(|section| body(section.hold()))
    }

    /// Runs the body of an async function.
    pub async fn run_async(self, body: impl AsyncFnOnce() -> P::Value) -> P::Output {
        let section = match self.begin().await {
            Ok(section) => section,
            Err(error) => return self.policy.failed(error),
        };
        let ran = scope(&section, &self.options, body()).await;
        self.finish(section, ran).await
    }

    /// Runs the body of an async function, with its hold.
    pub async fn run_async_with_hold(self, body: impl AsyncFnOnce(Hold) -> P::Value) -> P::Output {
        let section = match self.begin().await {
            Ok(section) => section,
            Err(error) => return self.policy.failed(error),
        };
        let ran = scope(&section, &self.options, body(section.hold())).await;
        self.finish(section, ran).await
    }

    fn perform(self, body: impl FnOnce(&Section) -> P::Value) -> P::Output {
        let section = match self.begin().block() {
            Ok(section) => section,
            Err(error) => return self.policy.failed(error),
        };
        let inside = section.enter();
        let value = body(&section);
        drop(inside);
        let left = if self.options.confirmed {
            block_on(leave_confirmed(section))
        } else {
            leave(section)
        };
        self.policy.done(value, left.err())
    }

    async fn finish(&self, section: Section, ran: Result<P::Value, Loss>) -> P::Output {
        match ran {
            Err(loss) => self.policy.failed(LockError::lost(section.cell().key(), loss)),
            Ok(value) => {
                let left = if self.options.confirmed {
                    leave_confirmed(section).await
                } else {
                    leave(section)
                };
                self.policy.done(value, left.err())
            }
        }
    }

    fn begin(&self) -> Entering {
        let manager = match &self.manager {
            Some(manager) => manager,
            None => match global() {
                Ok(manager) => manager,
                Err(error) => return Entering::refused(error),
            },
        };
        enter(manager, &self.key, &self.options, || Cow::Borrowed(self.site.function))
    }
}

/// The body as a future inside the section. The outermost section of a hold watches for its loss: it drops its
/// body, and with it all nested ones.
fn scope<F: Future>(section: &Section, options: &Options, body: F) -> Scope<F> {
    let frame = Arc::clone(section.frame());
    if section.is_outermost() && !options.finish_when_lost {
        Scope::until_lost(frame, body)
    } else {
        Scope::to_the_end(frame, body)
    }
}
