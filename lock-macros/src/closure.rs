//! What the body moves into: a closure, or an async block.
//!
//! Both begin in the user's code, at the function's name: clippy passes over what a macro wrote, and with it would pass over
//! the end of the body (`needless_return`); and what the compiler says of them it says of the function. The head of a closure
//! ends in ours, so that no lint asks the user to write it otherwise (`closure_returning_async_block`).

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{ToTokens as _, quote_spanned};
use syn::spanned::Spanned as _;

use crate::function::Function;
use crate::output::Value;

/// `|hold| -> R { body }`
pub(crate) fn plain(
    function: &Function,
    hold: Option<&Ident>,
    annotation: &TokenStream,
) -> TokenStream {
    let (name, body) = (&function.signature.ident, &function.body);
    let opening = quote_spanned!(name.span()=> |);
    quote_spanned!(function.name_site()=> #opening #hold | #annotation #body)
}

/// `async move { body }`
///
/// `move` keeps the future `Send` for arguments that are `Send` but not `Sync`.
pub(crate) fn asynchronous(function: &Function, value: &Value) -> TokenStream {
    let mut block = Group::new(Delimiter::Brace, typed(value, &function.body));
    block.set_span(function.body.span());
    quote_spanned!(function.signature.ident.span()=> async move #block)
}

// Such a block has no place for its type, and without one there are no coercions to `dyn`. A `return` that never runs names
// it, outside the user's block, where a `use Enum::*` cannot shadow its names. The block keeps its own braces; the parentheses
// keep them from counting as superfluous.
fn typed(value: &Value, body: &Group) -> TokenStream {
    let Some(name) = value.name() else {
        return body.to_token_stream();
    };
    let here = Span::mixed_site().located_at(name.span());
    let pin = quote_spanned!(here=>
        if false {
            return ::core::option::Option::None::<#name>.unwrap();
        }
    );
    quote_spanned!(Span::mixed_site()=> #pin (#body))
}
