//! The lifetimes of a signature that the expansion can leave to the compiler.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::visit_mut::{self, VisitMut};
use syn::{
    FnArg, Lifetime, ParenthesizedGenericArguments, Signature, Type, TypeFnPtr, TypePath,
    TypeReference,
};

/// The names of lifetimes that no bound mentions.
///
/// A name that the body mentions counts as needed (`needless_lifetimes`), so the expansion writes `'_` in its place. A
/// name in a bound stays: `T: Load<'a> + Load<'b>` says nothing of `Load<'_>`. So does one that the signature cannot do
/// without: by it the compiler finds the expression that returns something else.
pub(crate) struct Free(Vec<Ident>);

impl Free {
    pub(crate) fn of(signature: &Signature) -> Self {
        if is_ambiguous(signature) {
            return Self(Vec::new());
        }
        let generics = &signature.generics;
        let mut bounds = TokenStream::new();
        generics.where_clause.to_tokens(&mut bounds);
        generics.type_params().for_each(|param| param.bounds.to_tokens(&mut bounds));
        generics.lifetimes().for_each(|param| param.bounds.to_tokens(&mut bounds));
        let bound = named(bounds);
        let unbound = generics.lifetimes().filter(|param| param.bounds.is_empty());
        let names = unbound.map(|param| param.lifetime.ident.clone());
        Self(names.filter(|name| !bound.contains(name)).collect())
    }

    /// The type as a body may write it, without the names.
    pub(crate) fn left_out(&self, declared: &Type) -> Type {
        let mut ty = declared.clone();
        Eraser(self).visit_type_mut(&mut ty);
        ty
    }

    fn contains(&self, lifetime: &Lifetime) -> bool {
        self.0.contains(&lifetime.ident)
    }
}

// Without names the compiler could not infer from which argument the value borrows.
fn is_ambiguous(signature: &Signature) -> bool {
    let has_receiver = matches!(signature.inputs.first(), Some(FnArg::Receiver(_)));
    let mut inputs = Lifetimes(0);
    for input in &signature.inputs {
        if let FnArg::Typed(argument) = input {
            inputs.visit_type_mut(&mut argument.ty.clone());
        }
    }
    !has_receiver && inputs.0 > 1
}

/// How many lifetimes a type shows.
struct Lifetimes(usize);

impl VisitMut for Lifetimes {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        self.0 += usize::from(lifetime.ident != "static");
    }

    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        self.0 += usize::from(reference.lifetime.is_none());
        visit_mut::visit_type_reference_mut(self, reference);
    }

    // These have lifetimes of their own.
    fn visit_parenthesized_generic_arguments_mut(&mut self, _: &mut ParenthesizedGenericArguments) {
    }

    fn visit_type_fn_ptr_mut(&mut self, _: &mut TypeFnPtr) {}
}

struct Eraser<'a>(&'a Free);

impl VisitMut for Eraser<'_> {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if self.0.contains(lifetime) {
            lifetime.ident = Ident::new("_", lifetime.ident.span());
        }
    }

    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        reference.lifetime.take_if(|lifetime| self.0.contains(lifetime));
        self.visit_type_mut(&mut reference.elem);
    }

    // A trait named before `::` keeps its lifetimes, as bounds do.
    fn visit_type_path_mut(&mut self, path: &mut TypePath) {
        if path.qself.is_none() {
            visit_mut::visit_type_path_mut(self, path);
        }
    }

    // Without its name a lifetime in `Fn(&'a str)` or `fn(&'a str)` would stand for all of them.
    fn visit_parenthesized_generic_arguments_mut(&mut self, _: &mut ParenthesizedGenericArguments) {
    }

    fn visit_type_fn_ptr_mut(&mut self, _: &mut TypeFnPtr) {}
}

fn named(tokens: TokenStream) -> Vec<Ident> {
    let mut names = Vec::new();
    let mut after_quote = false;
    for tree in tokens {
        match &tree {
            TokenTree::Group(group) => names.extend(named(group.stream())),
            TokenTree::Ident(name) if after_quote => names.push(name.clone()),
            _ => {}
        }
        after_quote = matches!(&tree, TokenTree::Punct(quote) if quote.as_char() == '\'');
    }
    names
}
