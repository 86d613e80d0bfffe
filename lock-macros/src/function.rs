use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::quote;
use syn::parse::{ParseStream, Parser as _};
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, FnArg, PatIdent, Signature, Visibility};

use crate::other_item::{not_a_function, unreadable};

/// A function with a body. Its tokens are printed as they came; the signature is for reading only.
pub(crate) struct Function {
    /// Attributes, visibility and signature.
    pub(crate) head: TokenStream,
    attrs: Vec<Attribute>,
    pub(crate) signature: Signature,
    /// The `#![…]` at the start of the body; only there do they stand for the function.
    pub(crate) inner_attrs: TokenStream,
    pub(crate) body: Group,
}

impl Function {
    pub(crate) fn parse(item: TokenStream) -> syn::Result<Self> {
        let function = Self::read(item)?;
        refuse_const(&function.signature)?;
        refuse_track_caller(&function.attrs)?;
        Ok(function)
    }

    /// The function, even if it cannot be locked.
    pub(crate) fn read(item: TokenStream) -> syn::Result<Self> {
        let mut trees: Vec<TokenTree> = ungrouped(item).into_iter().collect();
        let body = trees.pop().and_then(block);
        let head: TokenStream = trees.into_iter().collect();
        let (attrs, signature) = parse_head.parse2(head.clone())?;
        let body = body.ok_or_else(|| without_body(&signature))?;
        let (inner_attrs, body) = without_inner_attrs(body);
        Ok(Self { head, attrs, signature, inner_attrs, body })
    }

    /// A place of ours that the compiler shows as the function's name.
    pub(crate) fn name_site(&self) -> Span {
        Span::mixed_site().located_at(self.signature.ident.span())
    }

    /// What the arguments are called. One that may be configured out is left aside.
    pub(crate) fn argument_names(&self) -> Vec<Ident> {
        struct Names(Vec<Ident>);
        impl VisitMut for Names {
            fn visit_pat_ident_mut(&mut self, pat: &mut PatIdent) {
                self.0.push(pat.ident.clone());
                visit_mut::visit_pat_ident_mut(self, pat);
            }
        }
        let mut names = Names(Vec::new());
        for input in &self.signature.inputs {
            if let FnArg::Typed(argument) = input
                && argument.attrs.is_empty()
            {
                names.visit_pat_mut(&mut argument.pat.clone());
            }
        }
        names.0
    }

    /// The function with other statements in its body.
    ///
    /// Its braces take the place of the user's: lints such as `dead_code` pass over a function that ends in a macro.
    pub(crate) fn with_body(&self, statements: &TokenStream) -> TokenStream {
        let Self { head, inner_attrs, .. } = self;
        let mut block = Group::new(Delimiter::Brace, quote!(#inner_attrs #statements));
        block.set_span(self.body.span());
        quote!(#head #block)
    }
}

// A function or a body that passed through `macro_rules!` may come inside invisible delimiters.
fn ungrouped(item: TokenStream) -> TokenStream {
    let mut trees = item.clone().into_iter();
    match (trees.next(), trees.next()) {
        (Some(TokenTree::Group(group)), None) if group.delimiter() == Delimiter::None => {
            ungrouped(group.stream())
        }
        _ => item,
    }
}

fn block(tree: TokenTree) -> Option<Group> {
    let TokenTree::Group(group) = tree else {
        return None;
    };
    match group.delimiter() {
        Delimiter::Brace => Some(group),
        Delimiter::None => ungrouped(group.stream()).into_iter().next().and_then(block),
        _ => None,
    }
}

// Braces without inner attributes, which is nearly all of them, stay the very tokens they were.
fn without_inner_attrs(body: Group) -> (TokenStream, Group) {
    let trees: Vec<TokenTree> = body.stream().into_iter().collect();
    let attrs = trees.chunks_exact(3).take_while(|chunk| is_inner_attr(chunk)).count() * 3;
    if attrs == 0 {
        return (TokenStream::new(), body);
    }
    let (attrs, rest) = trees.split_at(attrs);
    let mut remade = Group::new(Delimiter::Brace, rest.iter().cloned().collect());
    remade.set_span(body.span());
    (attrs.iter().cloned().collect(), remade)
}

fn is_inner_attr(chunk: &[TokenTree]) -> bool {
    matches!(chunk, [TokenTree::Punct(hash), TokenTree::Punct(bang), TokenTree::Group(_)]
        if hash.as_char() == '#' && bang.as_char() == '!')
}

fn parse_head(input: ParseStream<'_>) -> syn::Result<(Vec<Attribute>, Signature)> {
    let attrs = input.call(Attribute::parse_outer)?;
    input.parse::<Visibility>()?;
    input.parse::<Option<specialised::default>>()?;
    let start = input.fork();
    let signature = input.parse().map_err(|error| not_a_function(&start, &error))?;
    if input.is_empty() { Ok((attrs, signature)) } else { Err(unreadable(input.span())) }
}

mod specialised {
    syn::custom_keyword!(default);
}

fn without_body(signature: &Signature) -> syn::Error {
    let message = "this function has no body to run under the lock: put `#[distributed_lock]` on the function that \
                   implements it";
    syn::Error::new(signature.ident.span(), message)
}

fn refuse_const(signature: &Signature) -> syn::Result<()> {
    signature.constness.map_or(Ok(()), |token| {
        let message =
            "a `const fn` cannot take a lock: remove `const`, or lock the function that calls it";
        Err(syn::Error::new(token.span, message))
    })
}

fn refuse_track_caller(attrs: &[Attribute]) -> syn::Result<()> {
    attrs.iter().find(|attr| attr.path().is_ident("track_caller")).map_or(Ok(()), |attr| {
        let message = "the caller's line is lost inside a locked body: remove `#[track_caller]`, or keep it on a \
                       function that calls this one";
        Err(syn::Error::new_spanned(attr, message))
    })
}
