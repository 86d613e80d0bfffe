//! Keys that are values: `key = expr` and `keys = iterator`.
//!
//! A value is rendered by its `Display`, or taken by its `AsRef<str>` if it has no other text. The
//! attribute cannot know which, so method resolution picks: the methods of [`KeyProbe`] and
//! [`KeysProbe`] exist only for a `Display`, and the others are found behind them, by `Deref`. The
//! prefix `distlock_` avoids the methods of blanket traits of the user.

use std::fmt::{self, Display};
use std::ops::{Deref, DerefMut};

/// A value whose text can be a key.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no text that could be a key",
    label = "neither a `Display` nor an `AsRef<str>`",
    note = "for an `Option` or a `Result` write `expr?` or `expr.expect(\"…\")`, for your own type \
            implement `Display`,",
    note = "or write the text yourself: `key = format!(\"account:{{}}\", self.id)`,",
    note = "or, for a list of keys, `keys = …`"
)]
pub trait KeyText {
    /// The text.
    fn text(&self) -> &str;
}

#[diagnostic::do_not_recommend]
impl<T: AsRef<str> + ?Sized> KeyText for T {
    fn text(&self) -> &str {
        self.as_ref()
    }
}

/// A list whose items can be keys.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list of keys",
    label = "neither an iterator nor a collection of what has a text",
    note = "the items are a `Display` or an `AsRef<str>`: for your own type write \
            `items.iter().map(|item| format!(\"account:{{}}\", item.id))`,",
    note = "or, for one key, `key = …`"
)]
pub trait KeyList {
    /// The texts.
    fn texts(self, prefix: fmt::Arguments<'_>) -> Vec<String>;
}

#[diagnostic::do_not_recommend]
impl<L: IntoIterator<Item: KeyText>> KeyList for L {
    fn texts(self, prefix: fmt::Arguments<'_>) -> Vec<String> {
        self.into_iter().map(|item| format!("{prefix}{}", item.text())).collect()
    }
}

/// `key = expr`
pub const fn key_value<T: ?Sized>(value: &T) -> KeyProbe<'_, T> {
    KeyProbe(AsText(value))
}

/// A key that may be a `Display`.
#[derive(Debug)]
pub struct KeyProbe<'a, T: ?Sized>(AsText<'a, T>);

/// A key that is no `Display`.
#[derive(Debug)]
pub struct AsText<'a, T: ?Sized>(&'a T);

impl<'a, T: Display + ?Sized> KeyProbe<'a, T> {
    /// What is rendered.
    pub const fn distlock_key(&self) -> &'a T {
        self.0.0
    }
}

impl<'a, T: ?Sized> AsText<'a, T> {
    /// What is rendered.
    pub fn distlock_key(&self) -> &'a str
    where
        T: KeyText,
    {
        self.0.text()
    }
}

impl<'a, T: ?Sized> Deref for KeyProbe<'a, T> {
    type Target = AsText<'a, T>;

    fn deref(&self) -> &AsText<'a, T> {
        &self.0
    }
}

/// `keys = expr`
pub const fn key_values<L>(list: L) -> KeysProbe<L> {
    KeysProbe(AsTexts(Some(list)))
}

/// A list whose items may be a `Display`.
#[derive(Debug)]
pub struct KeysProbe<L>(AsTexts<L>);

/// A list whose items are no `Display`. An option, because the methods cannot take it by value
/// through a `Deref`.
#[derive(Debug)]
pub struct AsTexts<L>(Option<L>);

impl<L> AsTexts<L> {
    fn take(&mut self) -> L {
        self.0.take().expect("the attribute's output renders a list once")
    }

    /// Renders the items.
    pub fn distlock_keys(&mut self, prefix: fmt::Arguments<'_>) -> Vec<String>
    where
        L: KeyList,
    {
        self.take().texts(prefix)
    }
}

impl<L: IntoIterator<Item: Display>> KeysProbe<L> {
    /// Renders the items.
    pub fn distlock_keys(&mut self, prefix: fmt::Arguments<'_>) -> Vec<String> {
        self.0.take().into_iter().map(|item| format!("{prefix}{item}")).collect()
    }
}

impl<L> Deref for KeysProbe<L> {
    type Target = AsTexts<L>;

    fn deref(&self) -> &AsTexts<L> {
        &self.0
    }
}

impl<L> DerefMut for KeysProbe<L> {
    fn deref_mut(&mut self) -> &mut AsTexts<L> {
        &mut self.0
    }
}
