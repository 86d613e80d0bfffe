use proc_macro2::TokenStream;
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream, Parser as _};
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
        if self.options.begun() {
            let message = "the arguments of the key stand directly after the key: move this before the options";
            return Err(syn::Error::new_spanned(value, message));
        }
        self.key.push_positional(&value);
        Ok(())
    }
}

impl Parse for Args {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut args = Self { key: Key::parse(input)?, options: Options::default() };
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            args.parse_next(input)?;
        }
        Ok(args)
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
        if words::is_reserved(&ident) && lacks_value(args, input) {
            return Self::Option;
        }
        Self::Positional
    }

    fn of_named(args: &Args, name: &Ident) -> Self {
        let argument = !words::is_reserved(name) && !args.options.begun() && args.key.names(name);
        if argument { Self::Named } else { Self::Option }
    }
}

// `ttl`, `ttl: "5s"`, `ttl "5s"` are options written wrongly, unless the key still has a place for a bare `ttl`.
fn lacks_value(args: &Args, input: ParseStream<'_>) -> bool {
    if input.peek2(Lit) || input.peek2(Token![:]) && !input.peek2(Token![::]) {
        return true;
    }
    let ahead = input.fork();
    let alone = ahead.call(Ident::parse_any).is_ok() && (ahead.is_empty() || ahead.peek(Token![,]));
    alone && (args.options.begun() || !args.key.wants_positional())
}
