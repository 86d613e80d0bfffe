use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::spanned::Spanned as _;
use syn::token::Bracket;
use syn::{Expr, ExprLit, Ident, Lit, Token, bracketed};

use crate::template::Template;
use crate::{separator, unquoted};

/// Keys that are taken together, and the named arguments after them.
pub(crate) struct List {
    templates: Vec<Template>,
    args: Vec<Named>,
}

struct Named {
    name: Ident,
    value: Expr,
}

impl List {
    pub(crate) fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let inside;
        let brackets = bracketed!(inside in input);
        let mut templates = Vec::new();
        while !inside.is_empty() {
            let template = element(&inside)?;
            refuse_twice(&templates, &template)?;
            templates.push(template);
            if !inside.is_empty() {
                let suffix = inside.peek(Token![.]);
                let suffix =
                    suffix.then_some("a key is the string literal alone: remove what follows it");
                separator::parse(&inside, suffix)?;
            }
        }
        if templates.is_empty() {
            let message = "the list has no keys: write what is locked, for example `[\"account:{from}\", \"account:{to}\"]`";
            return Err(syn::Error::new(brackets.span.join(), message));
        }
        Ok(Self { templates, args: Vec::new() })
    }

    pub(crate) fn text(&self) -> String {
        let texts: Vec<String> = self.templates.iter().map(Template::text).collect();
        texts.join(", ")
    }

    pub(crate) const fn len(&self) -> usize {
        self.templates.len()
    }

    pub(crate) const fn is_bare(&self) -> bool {
        self.args.is_empty()
    }

    pub(crate) fn names(&self, name: &Ident) -> bool {
        self.templates.iter().any(|template| template.names(name))
    }

    pub(crate) fn push_named(&mut self, name: &Ident, value: Expr) -> syn::Result<()> {
        if self.args.iter().any(|arg| arg.name.unraw() == name.unraw()) {
            let message = format!("`{name}` is given twice: remove one of them");
            return Err(syn::Error::new(name.span(), message));
        }
        self.args.push(Named { name: name.clone(), value });
        Ok(())
    }

    pub(crate) fn refuse_positional(value: &Expr) -> syn::Error {
        let message = match value {
            Expr::Array(_) | Expr::Lit(ExprLit { lit: Lit::Str(_), .. }) => {
                "one list holds all the keys: move this into its brackets"
            }
            _ => {
                "after a list of keys an argument has a name: name the argument, for example `id = self.id`, and write \
                 `{id}` in the keys that take it"
            }
        };
        syn::Error::new_spanned(value, message)
    }

    pub(crate) fn tokens(&self) -> TokenStream {
        let templates = &self.templates;
        let values = self.args.iter().map(|arg| &arg.value);
        quote!(#(#templates,)* #(#values,)*)
    }

    /// `entry(site, &[format_args!(…), format_args!(…)])`
    ///
    /// Named arguments are evaluated before the first key is put together, in the order they are written: each once, however
    /// many keys take it, and an `.await` in one finds no unfinished text, which would not be `Send`.
    pub(crate) fn call(&self, entry: &TokenStream) -> TokenStream {
        let here = Span::mixed_site();
        let keys = self.templates.iter().map(|template| {
            let taken = self.args.iter().filter(|arg| template.names(&arg.name));
            let taken = taken.map(Named::binding_in_key);
            quote_spanned!(here=> ::core::format_args!(#template #(, #taken)*))
        });
        let call = quote_spanned!(here=> #entry(distlock_site, &[#(#keys),*]));
        if self.args.is_empty() {
            return call;
        }
        let bindings = self.args.iter().map(|arg| arg.binding(here));
        let values = self.args.iter().map(|arg| &arg.value);
        quote_spanned!(here=> match (#(&(#values),)*) { (#(#bindings,)*) => #call })
    }
}

impl Named {
    fn binding(&self, here: Span) -> Ident {
        format_ident!("distlock_key_{}", self.name.unraw(), span = here)
    }

    // Printed where the value stands, so that a type without a text is reported there.
    fn binding_in_key(&self) -> TokenStream {
        let here = Span::mixed_site().located_at(self.value.span());
        let (name, binding) = (&self.name, self.binding(here));
        quote_spanned!(here=> #name = *#binding)
    }
}

fn element(input: ParseStream<'_>) -> syn::Result<Template> {
    if input.peek(Bracket) {
        let message = "a list of keys has no lists in it: remove these brackets";
        return Err(input.error(message));
    }
    if !input.peek(Lit) {
        return Err(unquoted::refuse_in_list(input));
    }
    let template = Template::parse(input)?;
    if template.holes.positional > 0 {
        let message = "in a list of keys an argument has a name: write for example `{id}` in place of `{}`, and `id = self.id` \
                       after the list if it is not a variable";
        return Err(syn::Error::new_spanned(template, message));
    }
    Ok(template)
}

fn refuse_twice(templates: &[Template], next: &Template) -> syn::Result<()> {
    if templates.iter().any(|template| template.text() == next.text()) {
        return Err(syn::Error::new_spanned(next, "this key stands twice: remove one"));
    }
    Ok(())
}
