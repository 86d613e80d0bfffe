use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::Ident;

use crate::function::Function;

/// The error, and the item without the attribute, so that its users see no second error.
pub(crate) fn with_item(error: &syn::Error, args: TokenStream, item: TokenStream) -> TokenStream {
    let error = error.to_compile_error();
    if is_expression(&item) {
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
fn is_expression(item: &TokenStream) -> bool {
    let mut trees = item.clone().into_iter();
    match (trees.next(), trees.next()) {
        (Some(TokenTree::Punct(bar)), _) => bar.as_char() == '|',
        (Some(TokenTree::Ident(word)), _) if word == "move" => true,
        (Some(TokenTree::Ident(word)), Some(TokenTree::Group(_))) => {
            word == "async" || word == "unsafe"
        }
        (Some(TokenTree::Group(group)), _) => group.delimiter() != Delimiter::None,
        _ => false,
    }
}

// The arguments may be wrong anywhere else, so they are searched, not parsed.
fn hold(args: TokenStream) -> Option<Ident> {
    let trees: Vec<TokenTree> = args.into_iter().collect();
    let starts = (0..trees.len()).map(|start| &trees[start..]);
    starts.into_iter().find_map(|rest| match rest {
        [TokenTree::Ident(word), TokenTree::Punct(equals), name, after @ ..]
            if word == "hold" && equals.as_char() == '=' && ends(after) =>
        {
            syn::parse2(name.clone().into()).ok()
        }
        _ => None,
    })
}

fn ends(rest: &[TokenTree]) -> bool {
    match rest.first() {
        Some(TokenTree::Punct(comma)) => comma.as_char() == ',',
        Some(_) => false,
        None => true,
    }
}
