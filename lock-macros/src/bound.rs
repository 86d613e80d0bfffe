use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::token::Bracket;
use syn::{Token, bracketed};

use crate::keys::Keys;
use crate::separator;
use crate::value::Place;

/// What `hold = …` binds in the body.
pub(crate) enum Bound {
    /// The hold of the key, or of the last in order.
    One(Ident),
    /// A hold for each key of a list.
    Each(Bracket, Punctuated<Ident, Token![,]>),
}

impl Bound {
    pub(crate) fn parse(place: &Place, input: ParseStream<'_>) -> syn::Result<Self> {
        if !input.peek(Bracket) {
            return place.name(input).map(Self::One);
        }
        let inside;
        let brackets = bracketed!(inside in input);
        let mut names = Punctuated::new();
        while !inside.is_empty() {
            names.push_value(if inside.peek(Token![_]) {
                inside.call(Ident::parse_any)?
            } else {
                place.name(&inside)?
            });
            if !inside.is_empty() {
                separator::parse(&inside, None)?;
                names.push_punct(<Token![,]>::default());
            }
        }
        Ok(Self::Each(brackets, names))
    }

    /// Refuses another number of names than there are keys.
    pub(crate) fn check(&self, keys: &Keys) -> syn::Result<()> {
        let Self::Each(brackets, names) = self else {
            return Ok(());
        };
        let message = match keys {
            Keys::One(_) => {
                "names in brackets go with a list of keys: write `hold = name`".to_owned()
            }
            Keys::All(list) if list.len() != names.len() => format!(
                "the list has {}, and this binds {}: write a name for each key in the order of the list, and `_` for one that \
                 is not needed",
                counted(list.len(), "key"),
                counted(names.len(), "hold"),
            ),
            Keys::All(_) => return Ok(()),
        };
        Err(syn::Error::new(brackets.span.join(), message))
    }

    /// The method of a call that hands it to the body.
    pub(crate) fn method(&self, plain: &str) -> TokenStream {
        let here = Span::mixed_site();
        match self {
            Self::One(_) => {
                let method = Ident::new(&format!("{plain}_with_hold"), here);
                quote_spanned!(here=> #method)
            }
            Self::Each(..) => {
                let method = Ident::new(&format!("{plain}_with_holds"), here);
                quote_spanned!(here=> #method)
            }
        }
    }
}

fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// The pattern of a closure's argument.
impl ToTokens for Bound {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::One(name) => name.to_tokens(tokens),
            Self::Each(brackets, names) => {
                brackets.surround(tokens, |tokens| names.to_tokens(tokens));
            }
        }
    }
}
