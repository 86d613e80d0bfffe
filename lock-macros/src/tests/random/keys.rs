//! Keys: random text, and format strings whose arguments are known.

use std::collections::BTreeSet;

use proptest::prelude::*;
use quote::quote;

use super::input::MacroInput;
use super::{one_of, tokens, try_all, valid};
use crate::key::Placeholders;

fn format_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        one_of(&["{", "}", "{{", "}}", "{}", "{:", "$", ".*", ":", ".", "?", "#", "0", "_", " "]),
        one_of(&[
            "{0}",
            "{name}",
            "{self.x}",
            "{self}",
            "{name:?}",
            "{:>5}",
            "{:0w$.p$}",
            "{r#fn}"
        ]),
        one_of(&["{18446744073709551615}", "{:18446744073709551615$}", "{99999999999999999999}"]),
        any::<u64>().prop_map(|number| format!("{{{number}}}")),
        any::<char>().prop_map(String::from),
        "\\PC{0,4}",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

#[test]
fn no_text_as_a_key_makes_the_macro_panic() {
    let key = prop_oneof![format_text(), any::<String>()];
    let rest = prop_oneof![
        valid::options(),
        tokens::any_tokens(4).prop_map(|tokens| format!(", {tokens}"))
    ];
    try_all((key, rest, any::<bool>()), |(key, rest, list)| {
        let key = quote!(#key);
        let args = if list { format!("[{key}]{rest}") } else { format!("{key}{rest}") };
        let input = MacroInput::read(&args, valid::FUNCTIONS[0]);
        input.map_or(Ok(()), |input| input.check().map(|_| ()))
    });
}

/// A piece of a format string, and what it refers to.
#[derive(Clone, Debug)]
enum Piece {
    Text(&'static str),
    Next(&'static str),
    Numbered(usize, &'static str),
    Named(&'static str, &'static str),
    /// A width with `$` by number, and one by name.
    Wide(usize),
    WideBy(&'static str),
    /// `{:.*}` takes two.
    Exact,
}

impl Piece {
    fn any() -> impl Strategy<Value = Self> {
        const FORMATS: [&str; 8] = ["", ":?", ":>5", ":#x", ":0>8.3", ":+", ":é<4", ":#?"];
        const NAMES: [&str; 5] = ["id", "a_b", "größe", "ttl", "x1"];
        let format = || prop::sample::select(&FORMATS[..]);
        let name = || prop::sample::select(&NAMES[..]);
        prop_oneof![
            prop::sample::select(&["a:", "{{", "}}", "{{}}", " ", "é", "$", ".*"][..])
                .prop_map(Self::Text),
            format().prop_map(Self::Next),
            (0..4_usize, format()).prop_map(|(index, format)| Self::Numbered(index, format)),
            (name(), format()).prop_map(|(name, format)| Self::Named(name, format)),
            (0..4_usize).prop_map(Self::Wide),
            name().prop_map(Self::WideBy),
            Just(Self::Exact),
        ]
    }

    fn text(&self) -> String {
        match self {
            Self::Text(text) => (*text).to_owned(),
            Self::Next(format) => format!("{{{format}}}"),
            Self::Numbered(index, format) => format!("{{{index}{format}}}"),
            Self::Named(name, format) => format!("{{{name}{format}}}"),
            Self::Wide(index) => format!("{{:0{index}$}}"),
            Self::WideBy(name) => format!("{{:>{name}$}}"),
            Self::Exact => "{:.*}".to_owned(),
        }
    }

    /// How many implicit arguments it takes, and the index and the name it refers to.
    fn refers(&self) -> (usize, Option<usize>, Option<&'static str>) {
        match *self {
            Self::Text(_) => (0, None, None),
            Self::Next(_) => (1, None, None),
            Self::Numbered(index, _) => (0, Some(index), None),
            Self::Named(name, _) => (0, None, Some(name)),
            Self::Wide(index) => (1, Some(index), None),
            Self::WideBy(name) => (1, None, Some(name)),
            Self::Exact => (2, None, None),
        }
    }
}

#[test]
fn the_arguments_of_a_format_string_are_counted_as_the_compiler_counts_them() {
    try_all(prop::collection::vec(Piece::any(), 1..8), |pieces| {
        let text: String = pieces.iter().map(Piece::text).collect();
        let refers: Vec<_> = pieces.iter().map(Piece::refers).collect();
        let in_order: usize = refers.iter().map(|refers| refers.0).sum();
        let highest = refers.iter().filter_map(|refers| refers.1).max();
        let needed = in_order.max(highest.map_or(0, |index| index + 1));
        let names: BTreeSet<_> = refers.iter().filter_map(|refers| refers.2).collect();

        let placeholders = Placeholders::parse(&text);
        prop_assert!(placeholders.are_certain, "{text}");
        prop_assert_eq!(placeholders.positional, needed, "{}", text);
        for name in ["id", "a_b", "größe", "ttl", "x1", "w"] {
            let found =
                placeholders.mention(&syn::Ident::new(name, proc_macro2::Span::call_site()));
            prop_assert_eq!(found, names.contains(name), "{} in {}", name, text);
        }
        Ok(())
    });
}
