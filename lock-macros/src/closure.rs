//! What the body moves into: a closure, or an async block.
//!
//! Both begin in the user's code, at the function's name: clippy passes over what a macro wrote, and with it would pass over
//! the end of the body (`needless_return`); and what the compiler says of them it says of the function. The head of a closure
//! ends in ours, so that no lint asks the user to write it otherwise (`closure_returning_async_block`).

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{ToTokens as _, quote_spanned};
use syn::Signature;
use syn::spanned::Spanned as _;

use crate::function::Function;
use crate::output::Value;

/// `|hold| -> R { body }`
pub(crate) fn plain(
    function: &Function,
    hold: Option<&Ident>,
    annotation: &TokenStream,
) -> TokenStream {
    let (ours, body) = (function.name_site(), &function.body);
    let place = if may_lend(&function.signature) { ours } else { function.signature.ident.span() };
    let opening = quote_spanned!(place=> |);
    quote_spanned!(ours=> #opening #hold | #annotation #body)
}

// A closure captures by the rules of the edition that its first token is from. By those of 2018 it borrows a `&mut` argument
// as a whole, and cannot return what that borrows.
fn may_lend(signature: &Signature) -> bool {
    let inputs = signature.inputs.to_token_stream().to_string();
    let output = signature.output.to_token_stream().to_string();
    inputs.contains("mut ")
        && ["&", "'", "impl", "dyn", "!"].iter().any(|mark| output.contains(mark))
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
