//! What the attribute knows about a function at compile time.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use crate::acquire::multi::LockKeys;
use crate::acquire::options::Options;
use crate::types::call_site::{CallSite, FunctionInfo};

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
