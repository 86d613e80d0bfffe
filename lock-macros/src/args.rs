use proc_macro2::TokenStream;
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::token::Paren;
use syn::{Expr, Ident, Lit, Token};

use crate::keys::Keys;
use crate::options::Options;
use crate::value::Place;
use crate::{separator, words};

/// What stands between the parentheses of the attribute.
pub(crate) struct Args {
    pub(crate) keys: Keys,
    pub(crate) options: Options,
}

impl Args {
    pub(crate) fn parse(tokens: TokenStream) -> syn::Result<Self> {
        <Self as Parse>::parse.parse2(tokens)
    }

    /// Refuses a key that names the value of an option, as in `"k:{ttl}", ttl = self.ttl`.
    pub(crate) fn check_names(&self, arguments: &[Ident]) -> syn::Result<()> {
        let named = |place: &&Place| {
            let name = Ident::new(place.word.name, place.span);
            place.word.name != "crate" && self.keys.names(&name) && !arguments.contains(&name)
        };
        self.options.places().iter().find(named).map_or(Ok(()), |place| {
            let name = place.word.name;
            let instead = match self.keys {
                Keys::One(_) => "write `{}` there, and the value directly after the key".to_owned(),
                Keys::All(_) => {
                    format!("write another name there, and `other_{name} = …` after the list")
                }
            };
            let message =
                format!("`{name}` is an option, and the key cannot name its value: {instead}");
            Err(syn::Error::new(place.span, message))
        })
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
        refuse_sigil(&name, input)?;
        self.keys.push_named(&name, input.parse()?)
    }

    fn parse_positional(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        let value: Expr = input.parse()?;
        self.keys.push_positional(&value, self.options.begun())
    }

    fn parse_comma(&self, input: ParseStream<'_>) -> syn::Result<()> {
        let alone = !self.options.begun() && self.keys.is_bare();
        let message = match self.keys {
            Keys::One(_) if alone && input.peek(Token![.]) => {
                Some("the key is the string literal alone: remove what follows it")
            }
            Keys::One(_) if alone && input.peek(Lit) => {
                Some("the key is one string literal: join the two")
            }
            Keys::All(_) if alone && input.peek(Token![.]) => {
                Some("the keys are the list alone: remove what follows it")
            }
            _ => None,
        };
        separator::parse(input, message)
    }
}

// `id = %id`, as `tracing` writes it.
fn refuse_sigil(name: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
    if !input.peek(Token![%]) && !input.peek(Token![?]) {
        return Ok(());
    }
    let format = if input.peek(Token![?]) { ":?" } else { "" };
    let message = format!(
        "an argument of the key is a plain expression, and its format stands in the key: write `{{{name}{format}}}` there \
         and `{name} = {name}` here"
    );
    Err(input.error(message))
}

impl Parse for Args {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut args = Self { keys: Keys::parse(input)?, options: Options::default() };
        while !input.is_empty() {
            args.parse_comma(input)?;
            if input.is_empty() {
                break;
            }
            args.parse_next(input)?;
        }
        args.options.check(&args.keys)?;
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
        if is_option_without_equals(args, &ident, input) { Self::Option } else { Self::Positional }
    }

    fn of_named(args: &Args, name: &Ident) -> Self {
        let argument = !words::is_reserved(name) && !args.options.begun() && args.keys.names(name);
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
    words::is_option_like(ident) && (alone || input.peek2(Paren)) && args.keys.is_full()
}
