use std::time::Duration;

use proc_macro2::{Literal, Span, TokenStream};
use quote::quote;
use syn::parse::ParseStream;
use syn::spanned::Spanned as _;
use syn::{Expr, ExprLit, Lit, LitStr};

use crate::value::Place;
use crate::words::Word;

/// A length of time: known while compiling, or an expression that yields it when the function is called.
pub(crate) enum Length {
    Known(Duration),
    Computed(Box<Expr>),
}

impl Length {
    pub(crate) fn parse(place: &Place, input: ParseStream<'_>) -> syn::Result<Self> {
        match place.expr(input)? {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => known(place.word, &text),
            Expr::Lit(ExprLit { lit: Lit::Bool(switch), .. }) => {
                Err(without_end(place.word, switch.span()))
            }
            Expr::Lit(ExprLit { lit, .. }) => Err(without_unit(place.word, &lit)),
            Expr::Path(path)
                if path.path.get_ident().is_some_and(|ident| is_endless(&ident.to_string())) =>
            {
                Err(without_end(place.word, path.span()))
            }
            computed => Ok(Self::Computed(Box::new(computed))),
        }
    }

    pub(crate) fn parse_positive(place: &Place, input: ParseStream<'_>) -> syn::Result<Self> {
        let span = input.span();
        match Self::parse(place, input)? {
            Self::Known(Duration::ZERO) => Err(zero(place.word, span)),
            length => Ok(length),
        }
    }
}

/// `Duration` as a constant expression, by a function of ours: teams forbid some of the standard library's.
pub(crate) fn constant(private: &TokenStream, duration: Duration) -> TokenStream {
    if let Ok(millis) = u64::try_from(duration.as_millis())
        && Duration::from_millis(millis) == duration
    {
        let millis = Literal::u64_unsuffixed(millis);
        return quote!(#private::milliseconds(#millis));
    }
    let secs = Literal::u64_unsuffixed(duration.as_secs());
    let nanos = Literal::u32_unsuffixed(duration.subsec_nanos());
    quote!(#private::duration(#secs, #nanos))
}

fn known(word: &Word, text: &LitStr) -> syn::Result<Length> {
    let value = text.value();
    let value = value.trim();
    if is_endless(value) {
        return Err(without_end(word, text.span()));
    }
    humantime::parse_duration(value).map(Length::Known).map_err(|error| {
        let message = match error {
            humantime::DurationError::UnknownUnit { unit, .. } if unit.is_empty() => {
                format!("`{0}` has no unit: write `{0} = \"{value}s\"` for seconds, \"{value}ms\" for milliseconds", word.name)
            }
            humantime::DurationError::UnknownUnit { unit, .. } => {
                format!("`{unit}` is not a unit of time: write ms, s, m, h or d, for example `{}`", word.example)
            }
            humantime::DurationError::NumberOverflow => {
                format!("`{}` is too long or too exact: write for example `{}`", word.name, word.example)
            }
            _ => format!(
                "`{}` is not a length of time: write numbers with units, `{}`, \"250ms\" or \"1m 30s\"",
                word.name, word.example
            ),
        };
        syn::Error::new(text.span(), message)
    })
}

fn without_unit(word: &Word, literal: &Lit) -> syn::Error {
    let name = word.name;
    let example = match literal {
        Lit::Int(number) => {
            // Other languages count in milliseconds, and nobody means 5000 seconds by 5000.
            let is_large = number.base10_parse::<u64>().is_ok_and(|number| number >= 1000);
            let usual = if is_large { "ms" } else { "s" };
            let unit = Some(number.suffix()).filter(|unit| UNITS.contains(unit)).unwrap_or(usual);
            format!("{name} = \"{}{unit}\"", number.base10_digits())
        }
        _ => word.example.to_owned(),
    };
    let message = format!(
        "`{name}` is a string with a unit, or an expression of type `Duration`: write `{example}`"
    );
    syn::Error::new(literal.span(), message)
}

const UNITS: [&str; 5] = ["ms", "s", "m", "h", "d"];

fn is_endless(text: &str) -> bool {
    ["None", "none", "forever", "infinite", "never", "unlimited"].contains(&text)
}

// `wait = none` may mean "do not wait" or "without end".
fn without_end(word: &Word, span: Span) -> syn::Error {
    let message = match word.name {
        "wait" => "`wait` is a length of time: leave it out to wait as long as it takes, or write `wait = \"0s\"` to try \
                   once"
            .to_owned(),
        "linger" => "`linger` is a length of time: leave it out to give the lock up at once, or write for example \
                     `linger = \"50ms\"`"
            .to_owned(),
        name => format!(
            "`{name}` is a length of time: leave it out for the manager's own, or write for example `{}`",
            word.example
        ),
    };
    syn::Error::new(span, message)
}

fn zero(word: &Word, span: Span) -> syn::Error {
    let message =
        format!("`{}` must be longer than zero: write for example `{}`", word.name, word.example);
    syn::Error::new(span, message)
}
