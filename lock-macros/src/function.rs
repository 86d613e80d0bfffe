use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::quote;
use syn::parse::{ParseStream, Parser as _};
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Error, FnArg, Ident, PatIdent, Result, Signature, Visibility};

use crate::errors;

/// A function with a body. Its tokens are printed as they came; the signature is only read.
pub(crate) struct Function {
    /// Attributes, visibility and signature.
    pub(crate) head: TokenStream,
    attrs: Vec<Attribute>,
    pub(crate) signature: Signature,
    /// The `#![…]` at the start of the body, which belong to the function only there.
    pub(crate) inner_attrs: TokenStream,
    pub(crate) body: Group,
}

impl Function {
    pub(crate) fn parse(item: TokenStream) -> Result<Self> {
        let function = Self::read(item)?;
        if let Some(token) = &function.signature.constness {
            return Err(errors::const_fn(token));
        }
        let mut attrs = function.attrs.iter();
        match attrs.find(|attr| attr.path().is_ident("track_caller")) {
            Some(attr) => Err(errors::track_caller(attr)),
            None => Ok(function),
        }
    }

    /// The function, even if it cannot be locked.
    pub(crate) fn read(item: TokenStream) -> Result<Self> {
        let mut trees: Vec<TokenTree> = ungrouped(item).into_iter().collect();
        let body = trees.pop().and_then(block);
        let head: TokenStream = trees.into_iter().collect();
        let (attrs, signature) = parse_head.parse2(head.clone())?;
        let body = body.ok_or_else(|| errors::no_body(&signature.ident))?;
        let (inner_attrs, body) = split_inner_attrs(body);
        Ok(Self { head, attrs, signature, inner_attrs, body })
    }

    /// The names that the arguments bind, without arguments that may be configured out.
    pub(crate) fn argument_names(&self) -> Vec<Ident> {
        struct Bindings(Vec<Ident>);
        impl VisitMut for Bindings {
            fn visit_pat_ident_mut(&mut self, pat: &mut PatIdent) {
                self.0.push(pat.ident.clone());
                visit_mut::visit_pat_ident_mut(self, pat);
            }
        }
        let mut bindings = Bindings(Vec::new());
        for input in &self.signature.inputs {
            if let FnArg::Typed(argument) = input
                && argument.attrs.is_empty()
            {
                bindings.visit_pat_mut(&mut argument.pat.clone());
            }
        }
        bindings.0
    }

    /// The function with other statements in its body.
    ///
    /// The new braces have the location of the user's: lints such as `dead_code` ignore a function
    /// that ends in a macro.
    pub(crate) fn with_body(&self, statements: &TokenStream) -> TokenStream {
        let Self { head, inner_attrs, .. } = self;
        let block = braces_at(self.body.span(), quote!(#inner_attrs #statements));
        quote!(#head #block)
    }
}

/// A block whose braces are at `span`.
pub(crate) fn braces_at(span: Span, statements: TokenStream) -> Group {
    let mut block = Group::new(Delimiter::Brace, statements);
    block.set_span(span);
    block
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
    let TokenTree::Group(group) = tree else { return None };
    match group.delimiter() {
        Delimiter::Brace => Some(group),
        Delimiter::None => ungrouped(group.stream()).into_iter().next().and_then(block),
        _ => None,
    }
}

// A body without inner attributes, which is nearly every one, keeps its very tokens.
fn split_inner_attrs(body: Group) -> (TokenStream, Group) {
    let trees: Vec<TokenTree> = body.stream().into_iter().collect();
    let attrs = trees.chunks_exact(3).take_while(|chunk| is_inner_attr(chunk)).count() * 3;
    if attrs == 0 {
        return (TokenStream::new(), body);
    }
    let (attrs, rest) = trees.split_at(attrs);
    let body = braces_at(body.span(), rest.iter().cloned().collect());
    (attrs.iter().cloned().collect(), body)
}

fn is_inner_attr(chunk: &[TokenTree]) -> bool {
    matches!(chunk, [TokenTree::Punct(hash), TokenTree::Punct(bang), TokenTree::Group(_)]
        if hash.as_char() == '#' && bang.as_char() == '!')
}

mod keyword {
    // Before a specialised function.
    syn::custom_keyword!(default);
}

fn parse_head(input: ParseStream<'_>) -> Result<(Vec<Attribute>, Signature)> {
    let attrs = input.call(Attribute::parse_outer)?;
    input.parse::<Visibility>()?;
    input.parse::<Option<keyword::default>>()?;
    let start = input.fork();
    let signature = input.parse().map_err(|error| not_a_function(&start, &error))?;
    if !input.is_empty() {
        return Err(errors::unreadable_signature(input.span()));
    }
    Ok((attrs, signature))
}

// What the item is, and where the attribute belongs instead.
fn not_a_function(item: ParseStream<'_>, error: &Error) -> Error {
    let words = item.fork().parse::<TokenStream>().into_iter().flatten();
    let words: Vec<String> = words.map(|tree| tree.to_string()).collect();
    let before_fn = words.split(|word| word == "fn").next().unwrap_or_default();
    let (is_gen, has_fn) = (before_fn.contains(&"gen".to_owned()), before_fn.len() < words.len());
    let advice = match words.first().map_or("", String::as_str) {
        "gen" | "async" if is_gen => return errors::generator(item.span()),
        "unsafe" | "extern" | "const" if is_gen && has_fn => return errors::generator(item.span()),
        "fn" | "async" | "unsafe" | "extern" | "const" if has_fn => {
            return errors::unreadable_signature(error.span());
        }
        word @ ("impl" | "trait" | "mod") => {
            format!("put it on the functions inside this `{word}`")
        }
        word @ ("struct" | "enum" | "union" | "use" | "static" | "const" | "type" | "extern") => {
            format!("put it on a `fn`, not on this `{word}`")
        }
        _ => "make this a `fn`, or take the lock by hand with `LockManager::mutex`".to_owned(),
    };
    errors::not_a_function(item.span(), advice)
}
