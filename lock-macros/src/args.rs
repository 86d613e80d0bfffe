use proc_macro2::Ident;
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::token::Paren;
use syn::{Lit, Result, Token};

use crate::key::KeySpec;
use crate::options::Options;
use crate::{errors, suggestions};

/// What is between the parentheses of the attribute.
pub(crate) struct Args {
    pub(crate) keys: KeySpec,
    pub(crate) options: Options,
}

impl Args {
    pub(crate) fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut args = Self { keys: KeySpec::parse(input)?, options: Options::default() };
        while !input.is_empty() {
            args.parse_comma(input)?;
            if !input.is_empty() {
                args.parse_next(input)?;
            }
        }
        Ok(args)
    }

    /// Takes over the options of `defaults` that are not given here.
    pub(crate) fn take_defaults(&mut self, defaults: Vec<Options>) -> Result<()> {
        for options in defaults {
            self.options.take_defaults(options);
        }
        self.options.check(&self.keys)
    }

    /// Refuses a key that names the value of an option, as in `"k:{ttl}", ttl = self.ttl`.
    pub(crate) fn check_names(&self, arguments: &[Ident]) -> Result<()> {
        for option in &self.options.given {
            let name = Ident::new(option.name, option.span);
            if name == "crate" || !self.keys.mentions(&name) || arguments.contains(&name) {
                continue;
            }
            return Err(if self.keys.is_list {
                errors::option_in_list(option.span, name)
            } else {
                errors::option_in_key(option.span, name)
            });
        }
        Ok(())
    }

    // The tokens after a comma, classified before they are parsed.
    fn parse_next(&mut self, input: ParseStream<'_>) -> Result<()> {
        let is_assignment = input.peek2(Token![=]) && !input.peek2(Token![==]);
        match input.fork().call(Ident::parse_any) {
            Ok(name) if is_assignment && self.is_key_argument(&name) => self.parse_named(input),
            Ok(name) if is_assignment || self.is_option_without_equals(&name, input) => {
                self.options.parse_one(input)
            }
            _ => self.keys.push_positional(input.parse()?, self.options.have_begun()),
        }
    }

    fn is_key_argument(&self, name: &Ident) -> bool {
        let is_option = suggestions::is_reserved(name) || self.options.have_begun();
        !is_option && self.keys.mentions(name)
    }

    // `ttl: "5s"` and `ttl "5s"` are misspelled options; so are `ttl` and `ttl("5s")`, unless the
    // key still has a placeholder for a value.
    fn is_option_without_equals(&self, name: &Ident, input: ParseStream<'_>) -> bool {
        if input.peek2(Lit) || input.peek2(Token![:]) && !input.peek2(Token![::]) {
            return suggestions::is_reserved(name);
        }
        let ahead = input.fork();
        let is_alone = ahead.call(Ident::parse_any).is_ok() && is_at_end(&ahead);
        suggestions::is_option_like(name) && (is_alone || input.peek2(Paren)) && self.keys.is_full()
    }

    fn parse_named(&mut self, input: ParseStream<'_>) -> Result<()> {
        let name = input.parse()?;
        input.parse::<Token![=]>()?;
        // `id = %id`, as `tracing` writes it.
        if input.peek(Token![%]) || input.peek(Token![?]) {
            let format = if input.peek(Token![?]) { ":?" } else { "" };
            return Err(errors::argument_with_sigil(input.span(), name, format));
        }
        self.keys.push_named(name, input.parse()?)
    }

    fn parse_comma(&self, input: ParseStream<'_>) -> Result<()> {
        let (is_list, next) = (self.keys.is_list, errors::next_token(input));
        if !self.options.have_begun() && self.keys.args.is_empty() {
            if input.peek(Token![.]) && is_list {
                return Err(errors::list_with_suffix(next));
            } else if input.peek(Token![.]) {
                return Err(errors::key_with_suffix(next));
            } else if input.peek(Lit) && !is_list {
                return Err(errors::two_literals(next));
            }
        }
        comma(input)
    }
}

/// The comma between two arguments, or between two elements of a list.
pub(crate) fn comma(input: ParseStream<'_>) -> Result<()> {
    let is_comma = input.parse::<Option<Token![,]>>()?.is_some();
    let next = errors::next_token(input);
    if is_comma && input.peek(Token![,]) {
        Err(errors::two_commas(next))
    } else if is_comma {
        Ok(())
    } else if input.peek(Token![;]) {
        Err(errors::semicolon(next))
    } else {
        Err(errors::missing_comma(next))
    }
}

/// Whether an argument has ended.
pub(crate) fn is_at_end(input: ParseStream<'_>) -> bool {
    input.is_empty() || input.peek(Token![,])
}
