//! Tokens in any order.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use proptest::prelude::*;

use super::one_of;

/// Option names, names mistaken for them, keywords, and words that our parser looks for.
pub(super) const WORDS: &[&str] = &[
    "ttl",
    "wait",
    "max_hold",
    "min_hold",
    "replicas",
    "confirm",
    "linger",
    "renew",
    "release",
    "fairness",
    "if_busy",
    "on_error",
    "on_lost",
    "hold",
    "manager",
    "crate",
    "tll",
    "wiat",
    "timeout",
    "key",
    "name",
    "default",
    "nowait",
    "redis",
    "reentrant",
    "prefix",
    "keepalive",
    "confirmed",
    "strict",
    "skip",
    "finish",
    "panic",
    "true",
    "false",
    "none",
    "None",
    "never",
    "forever",
    "self",
    "Self",
    "super",
    "_",
    "r#type",
    "r#ttl",
    "r#hold",
    "type",
    "fn",
    "async",
    "move",
    "unsafe",
    "return",
    "break",
    "continue",
    "yield",
    "if",
    "match",
    "loop",
    "let",
    "const",
    "static",
    "dyn",
    "impl",
    "for",
    "where",
    "as",
    "await",
    "Ok",
    "Err",
    "Some",
    "format",
    "Duration",
    "id",
    "größe",
];

pub(super) const LITERALS: &[&str] = &[
    "\"key\"",
    "\"\"",
    "\"account:{id}\"",
    "\"{}\"",
    "\"{{}}\"",
    "\"{\"",
    "\"}\"",
    "\"30s\"",
    "\"0s\"",
    "\"1m 30s\"",
    "\"-1s\"",
    "\"99999999999999999999h\"",
    "\"5\"",
    "\" \"",
    "\"é{ü}\"",
    "\"\\u{0}\\n\\\"\"",
    "r\"raw\"",
    "r#\"a\"b{id}\"#",
    "b\"bytes\"",
    "c\"text\"",
    "b'x'",
    "'c'",
    "'\\''",
    "'life",
    "0",
    "30",
    "30s",
    "30ms",
    "1u64",
    "0xff",
    "1_000",
    "1.5",
    "1e400",
    "1.",
    "340282366920938463463374607431768211456",
    "-1",
    "true",
];

const MARKS: &[&str] = &[
    "=", "==", ",", ",", ",", ";", ":", "::", ".", "..", "..=", "...", "|", "||", "&", "&&", "->",
    "=>", "<-", "+", "-", "*", "/", "%", "^", "!", "!=", "?", "#", "#!", "$", "@", "~", "<", ">",
    "<<=", "'a", "/* c */", "// c\n", "/// d\n",
];

const PHRASES: &[&str] = &[
    "ttl = \"30s\"",
    "wait = 5",
    "hold = hold",
    "on_error = |err| err",
    "on_error = || 1",
    "manager = \"url\"",
    "crate = a::b",
    "id = self.id",
    "format!(\"a{}\", b)",
    "if_busy = skip",
    "linger = \"1s\"",
    "fairness = strict",
    "[\"a\", \"b{id}\"]",
    "&[\"a\"]",
    "x: u8",
    "\"{}\", a",
];

/// Some tokens and groups, with or without spaces.
pub(super) fn any_tokens(most: usize) -> impl Strategy<Value = String> {
    let piece = piece().prop_recursive(3, 24, 5, |inner| {
        let inside = prop::collection::vec(inner, 0..5).prop_map(|pieces| pieces.join(" "));
        (one_of(&["()", "[]", "{}"]), inside)
            .prop_map(|(pair, inside)| format!("{}{inside}{}", &pair[..1], &pair[1..]))
    });
    prop::collection::vec((piece, one_of(&[" ", " ", ""])), 0..most)
        .prop_map(|pieces| pieces.into_iter().map(|(piece, gap)| piece + &gap).collect())
}

pub(super) fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => one_of(WORDS),
        3 => one_of(LITERALS),
        4 => one_of(MARKS),
        2 => one_of(PHRASES),
    ]
}

/// Puts some tokens into invisible delimiters, as `macro_rules!` does with the names, literals and
/// blocks that it matched.
pub(super) fn with_invisible_groups(tokens: TokenStream, bits: &mut u64) -> TokenStream {
    let mut after_quote = false;
    let trees = tokens.into_iter().map(|tree| {
        let was_after_quote = std::mem::replace(&mut after_quote, is_quote(&tree));
        let tree = match tree {
            TokenTree::Group(group) => inside_group(&group, bits),
            other => other,
        };
        let wrap = *bits & 3 == 3 && is_fragment(&tree) && !was_after_quote;
        *bits = bits.rotate_right(2);
        if wrap { invisible_group(tree) } else { tree }
    });
    trees.collect()
}

fn inside_group(group: &Group, bits: &mut u64) -> TokenTree {
    let mut inner = Group::new(group.delimiter(), with_invisible_groups(group.stream(), bits));
    inner.set_span(group.span());
    TokenTree::Group(inner)
}

fn is_quote(tree: &TokenTree) -> bool {
    matches!(tree, TokenTree::Punct(quote) if quote.as_char() == '\'')
}

fn is_fragment(tree: &TokenTree) -> bool {
    match tree {
        // A keyword cannot be matched as an `ident` fragment.
        TokenTree::Ident(_) => syn::parse2::<syn::Ident>(tree.clone().into()).is_ok(),
        TokenTree::Literal(_) => true,
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(_) => false,
    }
}

fn invisible_group(tree: TokenTree) -> TokenTree {
    let span = tree.span();
    let mut group = Group::new(Delimiter::None, tree.into());
    group.set_span(span);
    TokenTree::Group(group)
}
