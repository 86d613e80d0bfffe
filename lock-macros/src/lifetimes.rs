//! The lifetimes of a signature that the expansion can leave to the compiler.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Generics, Lifetime};

/// The names of lifetimes that no bound mentions.
///
/// A name that the body mentions counts as needed (`needless_lifetimes`), so the expansion writes `'_` in its place. A
/// name in a bound stays: `T: Load<'a> + Load<'b>` says nothing of `Load<'_>`.
pub(crate) struct Free(Vec<Ident>);

impl Free {
    pub(crate) fn of(generics: &Generics) -> Self {
        let mut bounds = TokenStream::new();
        generics.where_clause.to_tokens(&mut bounds);
        generics.type_params().for_each(|param| param.bounds.to_tokens(&mut bounds));
        let bound = named(bounds);
        let unbound = generics.lifetimes().filter(|param| param.bounds.is_empty());
        let names = unbound.map(|param| param.lifetime.ident.clone());
        Self(names.filter(|name| !bound.contains(name)).collect())
    }

    pub(crate) fn contains(&self, lifetime: &Lifetime) -> bool {
        self.0.contains(&lifetime.ident)
    }
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
