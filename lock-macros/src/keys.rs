use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::token::Bracket;
use syn::{Expr, ExprLit, Ident, Lit, LitStr, Token};

use crate::key::Key;
use crate::list::List;
use crate::template::Template;
use crate::{unquoted, words};

/// What is locked: one key, or all of a list together.
pub(crate) enum Keys {
    One(Key),
    All(List),
}

impl Keys {
    pub(crate) fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.is_empty() {
            let message = "the lock needs a key: write `#[distributed_lock(\"account:{id}\")]`";
            return Err(syn::Error::new(input.span(), message));
        }
        if input.peek(Bracket) {
            return List::parse(input).map(Self::All);
        }
        if input.peek(Lit) {
            return Template::parse(input).map(Key::new).map(Self::One);
        }
        if input.peek(Ident::peek_any) && input.peek2(Token![=]) {
            return Err(named(&input.call(Ident::parse_any)?, input));
        }
        Err(unquoted::refuse(input))
    }

    /// The keys as they were written, for messages.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::One(key) => key.template.text(),
            Self::All(list) => list.text(),
        }
    }

    /// Whether there is no place left for an argument without a name.
    pub(crate) const fn is_full(&self) -> bool {
        match self {
            Self::One(key) => key.is_full(),
            Self::All(_) => true,
        }
    }

    /// Whether no arguments have followed yet.
    pub(crate) const fn is_bare(&self) -> bool {
        match self {
            Self::One(key) => key.is_bare(),
            Self::All(list) => list.is_bare(),
        }
    }

    pub(crate) fn names(&self, name: &Ident) -> bool {
        match self {
            Self::One(key) => key.template.names(name),
            Self::All(list) => list.names(name),
        }
    }

    pub(crate) fn push_named(&mut self, name: &Ident, value: Expr) -> syn::Result<()> {
        match self {
            Self::One(key) => {
                key.push_named(name, &value);
                Ok(())
            }
            Self::All(list) => list.push_named(name, value),
        }
    }

    /// An argument without a name, before the options or among them.
    pub(crate) fn push_positional(&mut self, value: &Expr, in_options: bool) -> syn::Result<()> {
        let key = match self {
            Self::One(key) => key,
            Self::All(_) => return Err(List::refuse_positional(value)),
        };
        if key.is_full()
            && let Some(message) = left_over(key, value, in_options)
        {
            return Err(syn::Error::new_spanned(value, message));
        }
        if in_options {
            let message = "the arguments of the key stand directly after the key: move this before the options";
            return Err(syn::Error::new_spanned(value, message));
        }
        key.push_positional(value);
        Ok(())
    }

    /// All that stands between the key's first token and the options.
    pub(crate) fn tokens(&self) -> TokenStream {
        match self {
            Self::One(key) => key.to_token_stream(),
            Self::All(list) => list.tokens(),
        }
    }
}

fn left_over(key: &Key, value: &Expr, in_options: bool) -> Option<String> {
    if let Expr::Lit(ExprLit { lit: Lit::Str(second), .. }) = value
        && key.is_bare()
    {
        let first = key.template.to_token_stream();
        let second = second.token();
        return Some(format!(
            "keys that are taken together stand in brackets: write `[{first}, {second}]`"
        ));
    }
    let message =
        "the key has no `{}` for this argument: add one to the key, or remove the argument";
    (in_options || is_name(value)).then(|| message.to_owned())
}

// A name that nothing else knows would be reported twice by the compiler: as unused and as unknown.
fn is_name(value: &Expr) -> bool {
    match value {
        Expr::Path(_) => true,
        Expr::Call(call) => matches!(*call.func, Expr::Path(_)),
        _ => false,
    }
}

// `key = "account:{id}"`, or an option where the key should be.
fn named(name: &Ident, input: ParseStream<'_>) -> syn::Error {
    let is_list = input.peek2(Bracket) && !words::is_option_like(name);
    let value: Option<LitStr> = input.parse::<Token![=]>().and_then(|_| input.parse()).ok();
    let message = match value {
        None if is_list => {
            format!("the list of keys has no name: write it without `{name} =`")
        }
        Some(key) if !words::is_option_like(name) => {
            format!("the key has no name: write `{}` without `{name} =`", key.token())
        }
        _ => "the key comes first: write `\"account:{id}\", ` before the options".to_owned(),
    };
    syn::Error::new(name.span(), message)
}
