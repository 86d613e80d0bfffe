use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Ident, Lit, LitStr};

/// The literal of a key, as the user wrote it.
pub(crate) struct Template {
    literal: LitStr,
    pub(crate) holes: Holes,
}

impl Template {
    pub(crate) fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let literal = literal(input)?;
        let holes = Holes::of(&literal.value());
        Ok(Self { literal, holes })
    }

    pub(crate) fn text(&self) -> String {
        self.literal.value()
    }

    pub(crate) fn names(&self, name: &Ident) -> bool {
        self.holes.names(name)
    }
}

// The very token: the compiler then reports a mistake inside the literal at its column.
impl ToTokens for Template {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.literal.to_tokens(tokens);
    }
}

fn literal(input: ParseStream<'_>) -> syn::Result<LitStr> {
    match input.parse()? {
        Lit::Str(text) if text.value().is_empty() => Err(syn::Error::new(
            text.span(),
            "the key is empty: write what is locked, for example \"account:{id}\"",
        )),
        Lit::Str(text) => Ok(text),
        other => reported(&other).ok_or_else(|| {
            syn::Error::new(
                other.span(),
                "the key is text: write a string literal, for example \"account:{id}\"",
            )
        }),
    }
}

// The compiler has reported 'account' before it calls the attribute; here it passes as the string it was meant to be.
fn reported(literal: &Lit) -> Option<LitStr> {
    let token = literal.to_token_stream().to_string();
    let text = token.strip_prefix('\'')?.strip_suffix('\'')?;
    let is_char = text.chars().count() == 1 || text.starts_with('\\');
    (!is_char).then(|| LitStr::new(text, literal.span()))
}

/// What a format string refers to. The compiler checks the string itself; this only tells the arguments of the
/// key from the options.
#[derive(Default)]
pub(crate) struct Holes {
    names: Vec<String>,
    /// How many arguments without a name it takes.
    pub(crate) positional: usize,
    /// How many of them by `{}`, each of which takes the next.
    in_order: usize,
    /// Whether every brace was understood; one may also be a fill, as in `{:{>9}`.
    pub(crate) certain: bool,
}

impl Holes {
    pub(crate) fn of(template: &str) -> Self {
        let text = template.replace("{{", "").replace("}}", "");
        let found: Vec<_> =
            text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).collect();
        let certain =
            found.len() == text.matches('{').count() && found.len() == text.matches('}').count();
        let mut holes = Self { certain, ..Self::default() };
        for (hole, _) in found {
            let (argument, format) = hole.split_once(':').unwrap_or((hole, ""));
            holes.refer(argument.trim());
            holes.refer_in_format(format);
        }
        holes
    }

    pub(crate) fn names(&self, name: &Ident) -> bool {
        self.names.contains(&name.unraw().to_string())
    }

    fn refer(&mut self, argument: &str) {
        match argument.parse::<usize>() {
            // Any number of digits is a number to `format!`, even the highest.
            Ok(index) => self.positional = self.positional.max(index.saturating_add(1)),
            Err(_) if argument.is_empty() => self.take_next(),
            Err(_) => self.names.push(argument.to_owned()),
        }
    }

    fn take_next(&mut self) {
        self.in_order += 1;
        self.positional = self.positional.max(self.in_order);
    }

    // `{:width$.precision$}` refers to arguments too, and `.*` takes one more.
    fn refer_in_format(&mut self, format: &str) {
        if format.contains(".*") {
            self.take_next();
        }
        for before in format.split('$').rev().skip(1) {
            let last = before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next();
            self.refer_to_count(last.unwrap_or_default());
        }
    }

    // A leading zero is the flag for padding with zeros, not part of the name: `{:0width$}`.
    fn refer_to_count(&mut self, count: &str) {
        match count.parse::<usize>() {
            Ok(_) => self.refer(count),
            Err(_) => self.refer(count.trim_start_matches('0')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Holes;

    #[test]
    fn the_highest_number_is_counted_like_any_other() {
        let highest = Holes::of("{18446744073709551615}{}{:18446744073709551615$}");
        assert_eq!(highest.positional, usize::MAX);
    }

    #[test]
    fn a_number_and_a_place_in_the_order_may_mean_the_same_argument() {
        assert_eq!(Holes::of("{0}{}").positional, 1);
        assert_eq!(Holes::of("{}{1}{}{:.*}").positional, 4);
    }
}
