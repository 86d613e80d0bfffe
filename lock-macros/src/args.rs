use proc_macro2::TokenStream;
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::token::Paren;
use syn::{Expr, Ident, Lit, Token};

use crate::key::Key;
use crate::options::Options;
use crate::words;

/// What stands between the parentheses of the attribute.
pub(crate) struct Args {
    pub(crate) key: Key,
    pub(crate) options: Options,
}

impl Args {
    pub(crate) fn parse(tokens: TokenStream) -> syn::Result<Self> {
        <Self as Parse>::parse.parse2(tokens)
    }

    fn parse_next(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        match Next::of(self, input) {
            Next::Option => self.options.parse_one(input),
            Next::Named => self.parse_named(input),
            Next::Positional => self.parse_positional(input),
        }
    }

    fn parse_named(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        let name = input.parse()?;
        input.parse::<Token![=]>()?;
        self.key.push_named(&name, &input.parse()?);
        Ok(())
    }

    fn parse_positional(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        let value: Expr = input.parse()?;
        if self.key.is_full() && (self.options.begun() || is_name(&value)) {
            let message =
                "the key has no `{}` for this argument: add one to the key, or remove the argument";
            return Err(syn::Error::new_spanned(value, message));
        }
        if self.options.begun() {
            let message = "the arguments of the key stand directly after the key: move this before the options";
            return Err(syn::Error::new_spanned(value, message));
        }
        self.key.push_positional(&value);
        Ok(())
    }

    fn parse_comma(&self, input: ParseStream<'_>) -> syn::Result<()> {
        if input.peek(Token![,]) {
            input.parse::<Token![,]>()?;
            return if input.peek(Token![,]) {
                Err(input.error("one comma is enough: remove this one"))
            } else {
                Ok(())
            };
        }
        Err(input.error(if input.peek(Token![;]) {
            "write `,` in place of `;`"
        } else if input.peek(Token![.]) && self.is_key_alone() {
            "the key is the string literal alone: remove what follows it"
        } else if input.peek(Lit) && self.is_key_alone() {
            "the key is one string literal: join the two"
        } else {
            "a comma is missing: write `,` before this"
        }))
    }

    const fn is_key_alone(&self) -> bool {
        !self.options.begun() && self.key.is_bare()
    }
}

impl Parse for Args {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut args = Self { key: Key::parse(input)?, options: Options::default() };
        while !input.is_empty() {
            args.parse_comma(input)?;
            if input.is_empty() {
                break;
            }
            args.parse_next(input)?;
        }
        Ok(args)
    }
}

// A name that nothing else knows would be reported twice by the compiler: as unused and as unknown.
fn is_name(value: &Expr) -> bool {
    match value {
        Expr::Path(_) => true,
        Expr::Call(call) => matches!(*call.func, Expr::Path(_)),
        _ => false,
    }
}

/// What the tokens after a comma are, decided before they are parsed.
enum Next {
    Option,
    Named,
    Positional,
}

impl Next {
    fn of(args: &Args, input: ParseStream<'_>) -> Self {
        let Ok(ident) = input.fork().call(Ident::parse_any) else {
            return Self::Positional;
        };
        if input.peek2(Token![=]) && !input.peek2(Token![==]) {
            return Self::of_named(args, &ident);
        }
        if is_option_without_equals(args, &ident, input) { Self::Option } else { Self::Positional }
    }

    fn of_named(args: &Args, name: &Ident) -> Self {
        let argument = !words::is_reserved(name) && !args.options.begun() && args.key.names(name);
        if argument { Self::Named } else { Self::Option }
    }
}

// `ttl: "5s"` and `ttl "5s"` are options written wrongly; `ttl` and `ttl("5s")` and the like too, unless the key still has
// a place for a value.
fn is_option_without_equals(args: &Args, ident: &Ident, input: ParseStream<'_>) -> bool {
    if input.peek2(Lit) || input.peek2(Token![:]) && !input.peek2(Token![::]) {
        return words::is_reserved(ident);
    }
    let ahead = input.fork();
    let alone = ahead.call(Ident::parse_any).is_ok() && (ahead.is_empty() || ahead.peek(Token![,]));
    words::is_option_like(ident) && (alone || input.peek2(Paren)) && args.key.is_full()
}
