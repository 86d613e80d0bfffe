use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::parse::{Parse as _, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, ExprMethodCall, Lit, LitStr, Macro, Token};

use crate::text::compact;

/// A key that does not begin with a literal: says how the same is written with one.
pub(crate) fn refuse(input: ParseStream<'_>) -> syn::Error {
    refuse_as(input, |key| match literals(key) {
        Some(keys) => in_brackets(keys),
        None => instead_of(key, |format| format!("`{}`", compact(&format.tokens)), as_argument),
    })
}

/// An element of a list of keys that is no literal.
pub(crate) fn refuse_in_list(input: ParseStream<'_>) -> syn::Error {
    let unformatted = |format: &Macro| match format.parse_body::<LitStr>() {
        Ok(literal) => format!("`{}`", literal.token()),
        Err(_) => "for example `\"account:{id}\"` and, after the list, `id = self.id`".to_owned(),
    };
    refuse_as(input, |key| instead_of(key, unformatted, as_named_argument))
}

fn refuse_as(input: ParseStream<'_>, message: impl FnOnce(&Expr) -> String) -> syn::Error {
    match expression(input) {
        Some(key) => syn::Error::new_spanned(&key, message(&key)),
        None => syn::Error::new(input.span(), text_without_quotes(input)),
    }
}

fn instead_of(
    key: &Expr,
    unformatted: impl FnOnce(&Macro) -> String,
    as_argument: impl FnOnce(&Expr) -> String,
) -> String {
    match key {
        Expr::Macro(mac) if mac.mac.path.is_ident("format") => {
            let example = unformatted(&mac.mac);
            format!(
                "the key is formatted by the attribute itself: write {example} without `format!`"
            )
        }
        Expr::Path(path) if path.path.get_ident().is_some() => of_name(key),
        Expr::Reference(reference) => as_argument(&reference.expr),
        other => as_argument(other),
    }
}

fn is_iterator(call: &ExprMethodCall) -> bool {
    const ITERATORS: &str = "chain cloned copied filter filter_map flat_map into_iter iter keys map rev skip take values zip";
    ITERATORS.split(' ').any(|name| call.method == name)
}

// An iterator has no text of its own.
fn of_iterator(call: &ExprMethodCall) -> String {
    let items = compact(&call.to_token_stream());
    let texts = if call.method == "map" { "" } else { ".map(|item| item.to_string())" };
    format!(
        "the key is a string literal: write `\"{{}}\", {items}{texts}.collect::<Vec<_>>().join(\",\")` for one key of all of \
         them, or a list in brackets for a key each"
    )
}

fn expression(input: ParseStream<'_>) -> Option<Expr> {
    let ahead = input.fork();
    let key = Expr::parse(&ahead).ok()?;
    (ahead.is_empty() || ahead.peek(Token![,])).then_some(key)
}

type Elements = Punctuated<Expr, Token![,]>;

// `("from", "to")`, `&["from", "to"]`
fn literals(key: &Expr) -> Option<&Elements> {
    let keys = match key {
        Expr::Tuple(tuple) => &tuple.elems,
        Expr::Array(array) => &array.elems,
        Expr::Reference(reference) => return literals(&reference.expr),
        _ => return None,
    };
    let is_text = |key: &Expr| matches!(key, Expr::Lit(ExprLit { lit: Lit::Str(_), .. }));
    (!keys.is_empty() && keys.iter().all(is_text)).then_some(keys)
}

fn in_brackets(keys: &Elements) -> String {
    let keys = compact(&keys.to_token_stream());
    format!("keys that are taken together stand in brackets: write `[{keys}]`")
}

fn of_name(key: &Expr) -> String {
    let name = compact(&key.to_token_stream());
    format!(
        "the key is a string literal: write `\"{{{name}}}\"` for the value of `{name}`, or `\"{name}\"` for the text"
    )
}

fn as_named_argument(key: &Expr) -> String {
    let key = compact(&key.to_token_stream());
    format!(
        "a key in a list is a string literal: write for example `\"{{name}}\"`, and `name = {key}` after the list"
    )
}

fn as_argument(key: &Expr) -> String {
    if let Expr::MethodCall(call) = key
        && is_iterator(call)
    {
        return of_iterator(call);
    }
    format!("the key is a string literal: write `\"{{}}\", {}`", compact(&key.to_token_stream()))
}

// `account:{id}`
fn text_without_quotes(input: ParseStream<'_>) -> String {
    let mut text = TokenStream::new();
    let rest = input.fork();
    while !rest.is_empty() && !rest.peek(Token![,]) {
        match rest.parse::<proc_macro2::TokenTree>() {
            Ok(tree) => text.extend([tree]),
            Err(_) => break,
        }
    }
    format!("the key is a string literal: write `\"{}\"` in quotes", compact(&text))
}
