use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::Ident;

use crate::function::Function;

/// The error, and the item without the attribute, so that its users see no second error.
pub(crate) fn with_item(error: &syn::Error, args: TokenStream, item: TokenStream) -> TokenStream {
    let error = error.to_compile_error();
    if is_closure(&item) {
        return error;
    }
    let item = with_hold(args, &item).unwrap_or(item);
    quote!(#error #item)
}

// A body that uses the name of `hold = name` would otherwise report it as unknown.
fn with_hold(args: TokenStream, item: &TokenStream) -> Option<TokenStream> {
    let hold = hold(args)?;
    let function = Function::parse(item.clone()).ok()?;
    let body = &function.body;
    Some(function.with_body(&quote_spanned!(Span::mixed_site()=>
        let #hold = (|| -> ::distlock::Hold { ::core::unreachable!() })();
        #body
    )))
}

// After an error in the place of an expression the rest of it would be read as an operand: `error || body`.
fn is_closure(item: &TokenStream) -> bool {
    match item.clone().into_iter().next() {
        Some(TokenTree::Punct(bar)) => bar.as_char() == '|',
        Some(TokenTree::Ident(word)) => word == "move",
        _ => false,
    }
}

// The arguments may be wrong anywhere else, so they are searched, not parsed.
fn hold(args: TokenStream) -> Option<Ident> {
    let trees: Vec<TokenTree> = args.into_iter().collect();
    trees.windows(3).find_map(|window| match window {
        [TokenTree::Ident(word), TokenTree::Punct(equals), TokenTree::Ident(name)]
            if word == "hold" && equals.as_char() == '=' =>
        {
            Some(name.clone())
        }
        _ => None,
    })
}
