//! What the attribute's output calls.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::driver::block_on;
use crate::entry::{Entering, enter, leave, leave_confirmed};
use crate::options::Options;
use crate::output::{FromLockError, Panics, Policy, Propagate, Returns, SkipValue, Skips};
use crate::owner::Section;
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
    /// at its first poll; what the future keeps from then on is small, as all levels of nesting add up.
    pub fn run_async<F>(self, body: F) -> impl Future<Output = P::Output>
    where
        F: AsyncFnOnce() -> P::Value,
    {
        let (entering, end) = (self.begin(), self.end());
        async move {
            let mut section = match entering.wait().await {
                Ok(section) => section,
                Err(error) => return end.policy.failed(*error),
            };
            let ran = section.scope(end.finish_when_lost, body()).await;
            end.finish(section, ran).await
        }
    }

    /// Runs the body of an async function, with its hold.
    pub fn run_async_with_hold<F>(self, body: F) -> impl Future<Output = P::Output>
    where
        F: AsyncFnOnce(Hold) -> P::Value,
    {
        let (entering, end) = (self.begin(), self.end());
        async move {
            let mut section = match entering.wait().await {
                Ok(section) => section,
                Err(error) => return end.policy.failed(*error),
            };
            let body = body(section.hold());
            let ran = section.scope(end.finish_when_lost, body).await;
            end.finish(section, ran).await
        }
    }

    fn perform(self, body: impl FnOnce(&mut Section) -> P::Value) -> P::Output {
        let mut section = match self.begin().block() {
            Ok(section) => section,
            Err(error) => return self.policy.failed(*error),
        };
        let value = body(&mut section);
        let left = if self.options.confirmed {
            block_on(leave_confirmed(section))
        } else {
            leave(section)
        };
        self.policy.done(value, left.err())
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

    fn end(self) -> End<P> {
        let Options { confirmed, finish_when_lost, .. } = self.options;
        End { policy: self.policy, confirmed, finish_when_lost }
    }
}

/// What a call has still to do when its body has run.
struct End<P> {
    policy: P,
    confirmed: bool,
    finish_when_lost: bool,
}

impl<P: Policy> End<P> {
    async fn finish(self, section: Section, ran: Result<P::Value, Loss>) -> P::Output {
        let value = match ran {
            Ok(value) => value,
            Err(loss) => return self.policy.failed(LockError::lost(section.lease().key(), loss)),
        };
        let left = if self.confirmed {
            // Boxed: few calls ask for it, and the others need not have room for it.
            Box::pin(leave_confirmed(section)).await
        } else {
            leave(section)
        };
        self.policy.done(value, left.err())
    }
}
