use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Expr, Ident};

use crate::template::Template;

/// One key: its literal and the arguments of `format!` after it.
pub(crate) struct Key {
    pub(crate) template: Template,
    args: Vec<TokenStream>,
    positional: usize,
}

impl Key {
    pub(crate) const fn new(template: Template) -> Self {
        Self { template, args: Vec::new(), positional: 0 }
    }

    /// Whether the literal has no place left for an argument without a name.
    pub(crate) const fn is_full(&self) -> bool {
        let holes = &self.template.holes;
        holes.certain && self.positional >= holes.positional
    }

    pub(crate) const fn is_bare(&self) -> bool {
        self.args.is_empty()
    }

    pub(crate) fn push_positional(&mut self, value: &Expr) {
        self.positional += 1;
        self.args.push(value.to_token_stream());
    }

    pub(crate) fn push_named(&mut self, name: &Ident, value: &Expr) {
        self.args.push(quote!(#name = #value));
    }
}

/// The arguments of `format_args!`.
impl ToTokens for Key {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { template, args, .. } = self;
        tokens.extend(quote!(#template #(, #args)*));
    }
}
