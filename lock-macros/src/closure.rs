//! What the body moves into: a closure, or an async block.
//!
//! Both begin in the user's code, at the function's name: clippy passes over what a macro wrote, and with it would pass over
//! the end of the body (`needless_return`); and what the compiler says of them it says of the function. The head of a closure
//! ends in ours, so that no lint asks the user to write it otherwise (`closure_returning_async_block`).

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens as _, quote_spanned};
use syn::Signature;
use syn::spanned::Spanned as _;

use crate::bound::Bound;
use crate::function::Function;
use crate::output::Value;
use crate::reassigned::Reassigned;

/// `|hold| -> R { body }`
pub(crate) fn plain(
    function: &Function,
    hold: Option<&Bound>,
    annotation: &TokenStream,
    reassigned: &Reassigned<'_>,
) -> TokenStream {
    let (ours, body) = (function.name_site(), &function.body);
    let place = if may_lend(&function.signature) { ours } else { function.signature.ident.span() };
    let opening = quote_spanned!(place=> |);
    let body = if reassigned.is_empty() {
        body.to_token_stream()
    } else {
        in_braces_of(body, &quote_spanned!(Span::mixed_site()=> #reassigned (#body)))
    };
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
pub(crate) fn asynchronous(
    private: &TokenStream,
    function: &Function,
    value: &Value,
    reassigned: &Reassigned<'_>,
) -> TokenStream {
    let (typed, body) = (typed(private, value), &function.body);
    let inside = quote_spanned!(Span::mixed_site()=> #typed #reassigned (#body));
    let block = in_braces_of(body, &inside);
    quote_spanned!(function.signature.ident.span()=> async move #block)
}

// An async block has no place for its type, and without one there are no coercions to `dyn`. A `return` that never runs
// names it, outside the user's block, where a `use Enum::*` cannot shadow its names. The user's block keeps its own braces;
// the parentheses around it keep them from counting as superfluous.
fn typed(private: &TokenStream, value: &Value) -> Option<TokenStream> {
    let name = value.name()?;
    let here = Span::mixed_site().located_at(name.span());
    let private = located_at(here, private);
    Some(quote_spanned!(here=>
        if false {
            return #private::never::<#name>();
        }
    ))
}

// The compiler points there at the type that it expected. The name of the crate stays at the attribute: where that crate is
// missing it is one error, not two.
fn located_at(here: Span, path: &TokenStream) -> TokenStream {
    let mut is_crate = true;
    let tokens = path.clone().into_iter().map(|mut tree| {
        let is_name = matches!(tree, TokenTree::Ident(_));
        if !(is_name && std::mem::take(&mut is_crate)) {
            tree.set_span(tree.span().located_at(here));
        }
        tree
    });
    tokens.collect()
}

/// A block in the name of the user's.
pub(crate) fn in_braces_of(body: &Group, inside: &TokenStream) -> TokenStream {
    let mut block = Group::new(Delimiter::Brace, inside.clone());
    block.set_span(body.span());
    block.into_token_stream()
}
