//! What the attribute's output calls.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::driver::block_on;
use crate::entry::{Entering, enter, leave, leave_confirmed};
use crate::options::Options;
use crate::output::{FromLockError, Panics, Policy, Propagate, Returns, SkipValue, Skips};
use crate::owner::{Scope, Section};
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
    policy: PhantomData<fn() -> P>,
}

/// A call that yields its errors in the function's own return type.
pub fn call<R: FromLockError>(site: &'static Site, key: fmt::Arguments<'_>) -> Call<Propagate> {
    Call::new(site, key)
}

/// A call that panics with its errors: `on_error = panic`.
pub fn call_or_panic(site: &'static Site, key: fmt::Arguments<'_>) -> Call<Panics> {
    Call::new(site, key)
}

/// A call that yields a `Result` around the function's value: `on_error = |err| …`.
pub fn try_call(site: &'static Site, key: fmt::Arguments<'_>) -> Call<Returns> {
    Call::new(site, key)
}

impl<P> Call<P> {
    fn new(site: &'static Site, key: fmt::Arguments<'_>) -> Self {
        let key = match key.as_str() {
            Some(constant) => Cow::Borrowed(constant),
            None => Cow::Owned(key.to_string()),
        };
        Self {
            site,
            key,
            manager: None,
            options: site.options,
            policy: PhantomData,
        }
    }

    /// `if_busy = skip`: tries once, unless the call says how long to wait.
    pub fn or_skip<R: SkipValue>(self) -> Call<Skips<P>> {
        let Self {
            site,
            key,
            manager,
            options,
            ..
        } = self;
        let options = options.overlaid(None, options.wait.or(Some(Duration::ZERO)), None);
        Call {
            site,
            key,
            manager,
            options,
            policy: PhantomData,
        }
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
    pub fn run<R>(self, body: impl FnOnce() -> R) -> P::Output
    where
        P: Policy<R>,
    {
        self.perform(|_| body())
    }

    /// Runs the body of a synchronous function, with its hold.
    pub fn run_with_hold<R>(self, body: impl FnOnce(Hold) -> R) -> P::Output
    where
        P: Policy<R>,
    {
        self.perform(|section| body(section.hold()))
    }

    /// Runs the body of an async function.
    pub async fn run_async<R>(self, body: impl AsyncFnOnce() -> R) -> P::Output
    where
        P: Policy<R>,
    {
        let options = self.options;
        let section = match self.begin().await {
            Ok(section) => section,
            Err(error) => return P::failed(error),
        };
        let ran = scope(&section, &options, body()).await;
        finish::<P, R>(section, &options, ran).await
    }

    /// Runs the body of an async function, with its hold.
    pub async fn run_async_with_hold<R>(self, body: impl AsyncFnOnce(Hold) -> R) -> P::Output
    where
        P: Policy<R>,
    {
        let options = self.options;
        let section = match self.begin().await {
            Ok(section) => section,
            Err(error) => return P::failed(error),
        };
        let ran = scope(&section, &options, body(section.hold())).await;
        finish::<P, R>(section, &options, ran).await
    }

    fn perform<R>(self, body: impl FnOnce(&Section) -> R) -> P::Output
    where
        P: Policy<R>,
    {
        let options = self.options;
        let section = match self.begin().block() {
            Ok(section) => section,
            Err(error) => return P::failed(error),
        };
        let inside = section.enter();
        let value = body(&section);
        drop(inside);
        let left = if options.confirmed {
            block_on(leave_confirmed(section))
        } else {
            leave(section)
        };
        P::done(value, left.err())
    }

    fn begin(&self) -> Entering {
        let manager = match &self.manager {
            Some(manager) => manager,
            None => match global() {
                Ok(manager) => manager,
                Err(error) => return Entering::refused(error),
            },
        };
        enter(manager, &self.key, &self.options, || {
            Cow::Borrowed(self.site.function)
        })
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

async fn finish<P, R>(
    section: Section,
    options: &Options,
    ran: Result<R, crate::protocol::Loss>,
) -> P::Output
where
    P: Policy<R>,
{
    match ran {
        Err(loss) => P::failed(LockError::lost(section.cell().key(), loss)),
        Ok(value) => {
            let left = if options.confirmed {
                leave_confirmed(section).await
            } else {
                leave(section)
            };
            P::done(value, left.err())
        }
    }
}
