use std::time::Duration;

use proc_macro2::{Literal, Span, TokenStream};
use quote::quote;
use syn::parse::ParseStream;
use syn::{Expr, ExprLit, Lit, LitStr};

use crate::options;
use crate::words::Word;

/// A length of time: known while compiling, or an expression that yields it when the function is called.
pub(crate) enum Length {
    Known(Duration),
    Computed(Box<Expr>),
}

impl Length {
    pub(crate) fn parse(word: &Word, input: ParseStream<'_>) -> syn::Result<Self> {
        match options::ungrouped(input.parse()?) {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => known(word, &text),
            Expr::Lit(ExprLit { lit, .. }) => Err(without_unit(word, &lit)),
            computed => Ok(Self::Computed(Box::new(computed))),
        }
    }

    pub(crate) fn parse_positive(word: &Word, input: ParseStream<'_>) -> syn::Result<Self> {
        let span = input.span();
        match Self::parse(word, input)? {
            Self::Known(Duration::ZERO) => Err(zero(word, span)),
            length => Ok(length),
        }
    }
}

/// `Duration` as a constant expression.
pub(crate) fn constant(duration: Duration) -> TokenStream {
    if let Ok(millis) = u64::try_from(duration.as_millis())
        && Duration::from_millis(millis) == duration
    {
        let millis = Literal::u64_unsuffixed(millis);
        return quote!(::core::time::Duration::from_millis(#millis));
    }
    let secs = Literal::u64_unsuffixed(duration.as_secs());
    let nanos = Literal::u32_unsuffixed(duration.subsec_nanos());
    quote!(::core::time::Duration::new(#secs, #nanos))
}

fn known(word: &Word, text: &LitStr) -> syn::Result<Length> {
    humantime::parse_duration(text.value().trim())
        .map(Length::Known)
        .map_err(|error| {
            let message = format!(
                "`{}` is not a length of time: {error}; write numbers with units: `{}`, \"250ms\", \"1m 30s\"",
                word.name, word.example
            );
            syn::Error::new(text.span(), message)
        })
}

fn without_unit(word: &Word, literal: &Lit) -> syn::Error {
    let message = format!(
        "`{}` is a string with a unit or an expression of type `Duration`: write for example `{}`",
        word.name, word.example
    );
    syn::Error::new(literal.span(), message)
}

fn zero(word: &Word, span: Span) -> syn::Error {
    let message =
        format!("`{}` must be longer than zero: write for example `{}`", word.name, word.example);
    syn::Error::new(span, message)
}
