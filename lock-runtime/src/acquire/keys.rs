//! The keys of a call or a request.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::acquire::core::ManagerCore;
use crate::acquire::multi::MultiAcquire;
use crate::acquire::options::Options;
use crate::acquire::{AcquireResult, Acquiring, SingleAcquire};
use crate::types::call_site::CallSite;

#[derive(Clone, Debug)]
pub(crate) enum LockKeys {
    Single(Cow<'static, str>),
    /// Sorted and distinct, so that all callers acquire them in the same order.
    Multiple(Vec<String>),
    /// For a body that gets a hold for each key of its list. Boxed because it is rare.
    Listed(Box<ListedKeys>),
}

#[derive(Clone, Debug)]
pub(crate) struct ListedKeys {
    keys: LockKeys,
    /// The keys in the order of the list.
    list: Vec<String>,
}

impl LockKeys {
    /// Renders a key. A constant one is borrowed.
    pub(crate) fn single(key: fmt::Arguments<'_>) -> Self {
        Self::Single(match key.as_str() {
            Some(constant) => Cow::Borrowed(constant),
            None => Cow::Owned(key.to_string()),
        })
    }

    pub(crate) fn multiple(mut keys: Vec<String>) -> Self {
        keys.sort_unstable();
        keys.dedup();
        match <[String; 1]>::try_from(keys) {
            Ok([key]) => Self::Single(Cow::Owned(key)),
            Err(keys) => Self::Multiple(keys),
        }
    }

    /// Renders the keys of a list. Equal ones are one key.
    pub(crate) fn from_list(keys: &[fmt::Arguments<'_>]) -> Self {
        if let [key] = keys {
            return Self::single(*key);
        }
        Self::multiple(keys.iter().map(ToString::to_string).collect())
    }

    /// The same, with the order of the list.
    pub(crate) fn listed(keys: &[fmt::Arguments<'_>]) -> Self {
        let list: Vec<_> = keys.iter().map(ToString::to_string).collect();
        Self::Listed(Box::new(ListedKeys { keys: Self::multiple(list.clone()), list }))
    }

    /// The keys in the order of the list, if they were made by [`Self::listed`].
    pub(crate) fn list(&self) -> &[String] {
        match self {
            Self::Listed(listed) => &listed.list,
            Self::Single(_) | Self::Multiple(_) => &[],
        }
    }

    pub(crate) fn acquire(
        &self,
        core: &Arc<ManagerCore>,
        options: &Options,
        call_site: CallSite,
    ) -> Acquiring {
        match self {
            Self::Single(key) => SingleAcquire { core, key, options, call_site }.start(),
            Self::Multiple(keys) => MultiAcquire::new(core, options, call_site).start(keys),
            Self::Listed(listed) => listed.keys.acquire(core, options, call_site),
        }
    }

    /// The same, and blocks this thread.
    pub(crate) fn acquire_blocking(
        &self,
        core: &Arc<ManagerCore>,
        options: &Options,
        call_site: CallSite,
    ) -> AcquireResult {
        match self {
            Self::Single(key) => SingleAcquire { core, key, options, call_site }.block(),
            Self::Multiple(keys) => MultiAcquire::new(core, options, call_site).block(keys),
            Self::Listed(listed) => listed.keys.acquire_blocking(core, options, call_site),
        }
    }
}

#[cfg(test)]
mod tests;
