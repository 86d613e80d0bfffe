//! The keys that a call or a request takes.

use std::borrow::Cow;
use std::fmt;

use crate::acquire::many::{enter_all, enter_all_blocking};
use crate::acquire::options::Options;
use crate::acquire::{Entered, Entering, enter, enter_blocking};
use crate::api::manager::LockManager;
use crate::types::call_site::CallSite;

/// What a call asks for: one key, or several that are taken together.
#[derive(Clone, Debug)]
pub(crate) enum Keys {
    One(Cow<'static, str>),
    /// In order and each once, so that all who take some of them do so in the same order.
    All(Vec<String>),
    /// As `All`, for a body that gets a hold for each key of its list. Boxed as few do.
    Each(Box<Each>),
}

#[derive(Clone, Debug)]
pub(crate) struct Each {
    keys: Keys,
    /// The keys as the list has them.
    listed: Vec<String>,
}

impl Keys {
    /// Renders a key; a constant one is only referred to.
    pub(crate) fn one(key: fmt::Arguments<'_>) -> Self {
        Self::One(match key.as_str() {
            Some(constant) => Cow::Borrowed(constant),
            None => Cow::Owned(key.to_string()),
        })
    }

    /// Keys that are taken together.
    pub(crate) fn many(mut texts: Vec<String>) -> Self {
        texts.sort_unstable();
        texts.dedup();
        match <[String; 1]>::try_from(texts) {
            Ok([text]) => Self::One(Cow::Owned(text)),
            Err(texts) => Self::All(texts),
        }
    }

    /// Renders the keys of a list. Those that turn out to be the same text are one.
    pub(crate) fn all(keys: &[fmt::Arguments<'_>]) -> Self {
        if let [key] = keys {
            return Self::one(*key);
        }
        Self::many(keys.iter().map(ToString::to_string).collect())
    }

    /// As [`Self::all`], with the keys in the order of the list.
    pub(crate) fn each(keys: &[fmt::Arguments<'_>]) -> Self {
        let listed: Vec<_> = keys.iter().map(ToString::to_string).collect();
        Self::Each(Box::new(Each { keys: Self::many(listed.clone()), listed }))
    }

    /// The keys in the order of the list, where a body gets a hold for each.
    pub(crate) fn listed(&self) -> &[String] {
        match self {
            Self::Each(each) => &each.listed,
            Self::One(_) | Self::All(_) => &[],
        }
    }
}

impl Keys {
    /// Asks for the section of these keys.
    pub(crate) fn enter(
        &self,
        manager: &LockManager,
        options: &Options,
        call_site: CallSite,
    ) -> Entering {
        match self {
            Self::One(key) => enter(manager, key, options, call_site),
            Self::All(keys) => enter_all(manager, keys, options, call_site),
            Self::Each(each) => each.keys.enter(manager, options, call_site),
        }
    }

    /// Asks for the section of these keys and waits for it on this thread.
    pub(crate) fn enter_blocking(
        &self,
        manager: &LockManager,
        options: &Options,
        call_site: CallSite,
    ) -> Entered {
        match self {
            Self::One(key) => enter_blocking(manager, key, options, call_site),
            Self::All(keys) => enter_all_blocking(manager, keys, options, call_site),
            Self::Each(each) => each.keys.enter_blocking(manager, options, call_site),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(keys: &Keys) -> Vec<&str> {
        match keys {
            Keys::One(text) => vec![text],
            Keys::All(texts) => texts.iter().map(String::as_str).collect(),
            Keys::Each(each) => texts(&each.keys),
        }
    }

    #[test]
    fn keys_come_in_order_and_each_once() {
        let (a, b) = (7, 3);
        let keys = Keys::all(&[format_args!("k:{a}"), format_args!("k:{b}"), format_args!("k:7")]);
        assert_eq!(texts(&keys), ["k:3", "k:7"]);
    }

    #[test]
    fn keys_of_the_same_text_are_one_key() {
        let (a, b) = (7, "7");
        let keys = Keys::all(&[format_args!("k:{a}"), format_args!("k:{b}")]);
        assert!(matches!(&keys, Keys::One(text) if text == "k:7"), "{keys:?}");
    }

    #[test]
    fn the_order_of_a_list_is_kept_beside_that_of_its_keys() {
        let (a, b) = (7, 3);
        let keys = Keys::each(&[format_args!("k:{a}"), format_args!("k:{b}"), format_args!("k:7")]);
        assert_eq!(texts(&keys), ["k:3", "k:7"]);
        assert_eq!(keys.listed(), ["k:7", "k:3", "k:7"]);
    }

    #[test]
    fn a_constant_key_is_not_copied() {
        let keys = Keys::all(&[format_args!("constant")]);
        assert!(matches!(&keys, Keys::One(Cow::Borrowed("constant"))), "{keys:?}");
    }
}
