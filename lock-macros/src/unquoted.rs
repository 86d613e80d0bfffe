use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::parse::{Parse as _, ParseStream};
use syn::{Expr, Token};

use crate::text::compact;

/// A key that does not begin with a literal: says how the same is written with one.
pub(crate) fn refuse(input: ParseStream<'_>) -> syn::Error {
    let span = input.span();
    let ahead = input.fork();
    let key = match Expr::parse(&ahead) {
        Ok(key) if ahead.is_empty() || ahead.peek(Token![,]) => key,
        _ => return syn::Error::new(span, text_without_quotes(input)),
    };
    let message = match &key {
        Expr::Macro(mac) if mac.mac.path.is_ident("format") => {
            let inner = compact(&mac.mac.tokens);
            format!(
                "the key is formatted by the attribute itself: write `{inner}` without `format!`"
            )
        }
        Expr::Path(path) if path.path.get_ident().is_some() => {
            let name = compact(&key.to_token_stream());
            format!(
                "the key is a string literal: write `\"{{{name}}}\"` for the value of `{name}`, or `\"{name}\"` for the text"
            )
        }
        Expr::Reference(reference) => as_argument(&reference.expr),
        other => as_argument(other),
    };
    syn::Error::new_spanned(key, message)
}

fn as_argument(key: &Expr) -> String {
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
