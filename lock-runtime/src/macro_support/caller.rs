//! Who calls, for which keys, with what settings: all of an annotated call but its types.
//!
//! Nothing here is generic, so that it is compiled once and not again in each crate that has annotated functions.

use std::time::Duration;

use crate::acquire::keys::Keys;
use crate::acquire::options::Options;
use crate::acquire::{Entered, Entering};
use crate::api::global::with_global;
use crate::api::manager::LockManager;
use crate::error::LockError;
use crate::macro_support::locked_fn::Site;

#[derive(Debug)]
pub(crate) struct Caller {
    site: &'static Site,
    keys: Keys,
    manager: Option<LockManager>,
    /// What the call sets beside the site; boxed as few do.
    overrides: Option<Box<Options>>,
}

impl Caller {
    pub(crate) const fn new(site: &'static Site, keys: Keys) -> Self {
        Self { site, keys, manager: None, overrides: None }
    }

    pub(crate) fn set_manager(&mut self, manager: &LockManager) {
        self.manager = Some(manager.clone());
    }

    /// The settings of this call, at first those of the site.
    pub(crate) fn overrides(&mut self) -> &mut Options {
        self.overrides.get_or_insert_with(|| Box::new(self.site.options))
    }

    /// Tries once, unless the call says how long to wait.
    pub(crate) fn try_once(&mut self) {
        self.overrides().wait.get_or_insert(Duration::ZERO);
    }

    pub(crate) fn options(&self) -> &Options {
        self.overrides.as_deref().unwrap_or(&self.site.options)
    }

    /// The keys in the order of the list, where the body gets a hold for each.
    pub(crate) fn listed(&self) -> Vec<String> {
        self.keys.listed().to_vec()
    }

    /// Asks for the section.
    pub(crate) fn enter(&self) -> Entering {
        let enter =
            |manager: &LockManager| self.keys.enter(manager, self.options(), self.site.call_site());
        self.with_manager(enter).unwrap_or_else(Entering::refused)
    }

    /// Asks for the section and waits for it on this thread.
    pub(crate) fn enter_blocking(&self) -> Entered {
        let enter = |manager: &LockManager| {
            self.keys.enter_blocking(manager, self.options(), self.site.call_site())
        };
        self.with_manager(enter)?
    }

    fn with_manager<R>(&self, with: impl FnOnce(&LockManager) -> R) -> Result<R, LockError> {
        match &self.manager {
            Some(manager) => Ok(with(manager)),
            None => with_global(with),
        }
    }
}
