//! The closures that the body moves into.
//!
//! They begin and end in the user's code, at the braces of the body: clippy passes over what a macro wrote, and with
//! the closure it would pass over the end of the body (`needless_return`). Their heads end in ours, so that no lint asks
//! the user to write them otherwise (`closure_returning_async_block`).

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{ToTokens as _, quote_spanned};
use syn::spanned::Spanned as _;

use crate::output::Value;

/// `|hold| -> R { body }`
pub(crate) fn plain(hold: Option<&Ident>, annotation: &TokenStream, body: &Group) -> TokenStream {
    let opening = quote_spanned!(body.span()=> |);
    quote_spanned!(Span::mixed_site()=> #opening #hold | #annotation #body)
}

/// `async move |hold| { body }`
///
/// `move` keeps the future `Send` for arguments that are `Send` but not `Sync`.
pub(crate) fn asynchronous(hold: Option<&Ident>, value: &Value, body: &Group) -> TokenStream {
    let opening = quote_spanned!(body.span()=> async move |);
    let (never, block) = (value.never(), typed(value, body));
    quote_spanned!(Span::mixed_site()=> #opening #hold | #never #block)
}

// The declared type of an async closure takes no part in coercions to `dyn` (rust-lang/rust#145105); a `return` of that
// type does. It stands outside the user's block, where a `use Enum::*` cannot shadow its names. The block keeps its own
// braces; the parentheses keep them from counting as superfluous.
fn typed(value: &Value, body: &Group) -> TokenStream {
    let Some(name) = value.name() else {
        return body.to_token_stream();
    };
    let here = Span::mixed_site().located_at(name.span());
    let pin = quote_spanned!(here=>
        if let ::core::option::Option::Some(output) = ::core::option::Option::None::<#name> {
            return output;
        }
    );
    let statements = quote_spanned!(Span::mixed_site()=> #pin (#body));
    let mut block = Group::new(Delimiter::Brace, statements);
    block.set_span(body.span());
    block.to_token_stream()
}
