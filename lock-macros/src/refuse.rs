use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::LitStr;

use crate::function::Function;
use crate::template::Holes;
use crate::text::find;

/// The error, and the item without the attribute, so that its users see no second error.
pub(crate) fn with_item(error: &syn::Error, args: TokenStream, item: TokenStream) -> TokenStream {
    let error = shown(error);
    if is_expression(&item) {
        return error;
    }
    let item = with_uses(args, &item).unwrap_or(item);
    quote!(#error #item)
}

// In edition 2015 `::core` is a module of the user's crate, unless its colons are of a later edition, which costs a remark
// that the error is of a macro. Only the compiler's command line shows the edition. A wrong guess costs no more than that
// remark.
fn shown(error: &syn::Error) -> TokenStream {
    let tokens = error.to_compile_error();
    let later = |arg: &str| arg.starts_with("--edition") && arg != "--edition=2015";
    if std::env::args_os().any(|arg| later(&arg.to_string_lossy())) {
        return tokens;
    }
    tokens.into_iter().map(of_our_edition).collect()
}

fn of_our_edition(mut tree: TokenTree) -> TokenTree {
    if let TokenTree::Punct(colon) = &mut tree
        && colon.as_char() == ':'
    {
        colon.set_span(Span::mixed_site().located_at(colon.span()));
    }
    tree
}

// The compiler would otherwise report the name of `hold = name` as unknown and arguments that only the attribute uses as
// unused. The statements of the body stay in its braces: a block of their own would be reported as superfluous.
fn with_uses(args: TokenStream, item: &TokenStream) -> Option<TokenStream> {
    let function = Function::read(item.clone()).ok()?;
    let used: Vec<Ident> =
        function.argument_names().into_iter().filter(|name| mentions(&args, name)).collect();
    let holds = if function.signature.constness.is_some() { Vec::new() } else { holds(args) };
    if used.is_empty() && holds.is_empty() {
        return None;
    }
    let here = Span::mixed_site();
    let used = (!used.is_empty()).then(|| quote_spanned!(here=> let _ = (#(&#used,)*);));
    let holds = quote_spanned!(here=>
        #(let #holds = (|| -> ::distlock::Hold { ::core::unreachable!() })();)*
    );
    let body = function.body.stream();
    Some(function.with_body(&quote!(#used #holds #body)))
}

fn mentions(args: &TokenStream, name: &Ident) -> bool {
    find(args.clone(), &|word| word == name).is_some() || is_in_a_literal(args, name)
}

fn is_in_a_literal(args: &TokenStream, name: &Ident) -> bool {
    args.clone().into_iter().any(|tree| match tree {
        TokenTree::Group(group) => is_in_a_literal(&group.stream(), name),
        TokenTree::Literal(literal) => syn::parse2::<LitStr>(TokenTree::from(literal).into())
            .is_ok_and(|text| Holes::of(&text.value()).names(name)),
        _ => false,
    })
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
fn holds(args: TokenStream) -> Vec<Ident> {
    let trees: Vec<TokenTree> = args.into_iter().collect();
    let starts = (0..trees.len()).map(|start| &trees[start..]);
    let names = starts.into_iter().find_map(|rest| match rest {
        [TokenTree::Ident(word), TokenTree::Punct(equals), name, after @ ..]
            if word == "hold" && equals.as_char() == '=' && ends(after) =>
        {
            Some(bound(name))
        }
        _ => None,
    });
    names.unwrap_or_default()
}

fn bound(name: &TokenTree) -> Vec<Ident> {
    let names = match name {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => group.stream(),
        _ => TokenStream::from(name.clone()),
    };
    names.into_iter().filter_map(|name| syn::parse2(name.into()).ok()).collect()
}

fn ends(rest: &[TokenTree]) -> bool {
    match rest.first() {
        Some(TokenTree::Punct(comma)) => comma.as_char() == ',',
        Some(_) => false,
        None => true,
    }
}
