//! An annotated function, and one call of it before the lock is acquired.

use std::fmt;
use std::panic::Location;

use crate::acquire::multi::LockKeys;
use crate::acquire::options::Options;
use crate::acquire::{AcquireResult, Acquiring, Acquisition, SingleAcquire};
use crate::api::global::with_global;
use crate::api::manager::LockManager;
use crate::error::LockError;
use crate::owner::frameless::FramelessSection;
use crate::types::owner_info::{CallSite, FunctionInfo, KeyPattern};
use crate::user_code::metrics::LockLabels;
use crate::user_code::spans::WaitSpan;

/// The compile-time data of an annotated function. The expansion contains one as a `static`.
#[derive(Debug)]
pub struct LockedFn {
    info: FunctionInfo,
    options: Options,
}

impl LockedFn {
    /// The location is that of the caller.
    #[must_use]
    #[track_caller]
    pub const fn new(
        module: &'static str,
        function: &'static str,
        key_pattern: &'static str,
        options: Options,
    ) -> Self {
        let location = Location::caller();
        let key_pattern = KeyPattern::Written(key_pattern);
        Self { info: FunctionInfo { module, function, key_pattern, location }, options }
    }
}

/// A call without its types. Not generic, so that it is not compiled again in each crate that has
/// annotated functions.
#[derive(Debug)]
pub(crate) struct CallSetup {
    site: &'static LockedFn,
    pub(crate) keys: LockKeys,
    pub(crate) manager: Option<LockManager>,
    /// The options of this call, if it sets any itself. Boxed because few calls do.
    overrides: Option<Box<Options>>,
}

impl CallSetup {
    #[inline]
    pub(crate) fn new(site: &'static LockedFn, keys: &[fmt::Arguments<'_>]) -> Self {
        let in_order = site.options.hold_each;
        let keys = if in_order { LockKeys::listed(keys) } else { LockKeys::from_list(keys) };
        Self { site, keys, manager: None, overrides: None }
    }

    pub(crate) fn overrides(&mut self) -> &mut Options {
        let site = self.site;
        self.overrides.get_or_insert_with(|| Box::new(site.options))
    }

    pub(crate) fn options(&self) -> &Options {
        self.overrides.as_deref().unwrap_or(&self.site.options)
    }

    fn call_site(&self) -> CallSite {
        CallSite::Function(&self.site.info)
    }

    /// The section if the innermost hold is that of the key and free, as in most nested calls.
    #[inline]
    pub(crate) fn reenter_innermost(&self) -> Option<FramelessSection> {
        let LockKeys::Single(key) = &self.keys else { return None };
        let (options, call_site) = (self.options(), self.call_site());
        let reenter = |manager: &LockManager| {
            let call = SingleAcquire { core: manager.core(), key, options, call_site };
            let section = call.reenter_innermost()?;
            call.labels().reentered();
            Some(section)
        };
        self.with_manager(reenter).ok().flatten()
    }

    pub(crate) fn acquire(&self) -> Acquisition {
        let acquire = |manager: &LockManager| {
            self.keys.acquire(manager.core(), self.options(), self.call_site())
        };
        self.with_manager(acquire).unwrap_or_else(|error| Acquisition {
            acquiring: Acquiring::failed(error),
            labels: LockLabels::of(self.call_site(), None, None),
            span: WaitSpan::NONE,
        })
    }

    /// Blocks this thread.
    pub(crate) fn acquire_blocking(&self) -> AcquireResult {
        let acquire = |manager: &LockManager| {
            self.keys.acquire_blocking(manager.core(), self.options(), self.call_site())
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
