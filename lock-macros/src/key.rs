use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Expr, Ident, Lit, LitStr, Token};

use crate::{unquoted, words};

/// The key: the literal as the user wrote it and the arguments of `format!` after it.
pub(crate) struct Key {
    pub(crate) template: LitStr,
    args: Vec<TokenStream>,
    positional: usize,
    holes: Holes,
}

impl Key {
    pub(crate) fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let template = template(input)?;
        let holes = Holes::of(&template.value());
        Ok(Self { template, args: Vec::new(), positional: 0, holes })
    }

    /// Whether the literal has no place left for an argument without a name.
    pub(crate) const fn is_full(&self) -> bool {
        self.holes.certain && self.positional >= self.holes.positional
    }

    pub(crate) const fn is_bare(&self) -> bool {
        self.args.is_empty()
    }

    pub(crate) fn names(&self, name: &Ident) -> bool {
        self.holes.names.contains(&name.unraw().to_string())
    }

    pub(crate) fn push_positional(&mut self, value: &Expr) {
        self.positional += 1;
        self.args.push(value.to_token_stream());
    }

    pub(crate) fn push_named(&mut self, name: &Ident, value: &Expr) {
        self.args.push(quote!(#name = #value));
    }
}

/// The arguments of `format_args!`.
impl ToTokens for Key {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { template, args, .. } = self;
        tokens.extend(quote!(#template #(, #args)*));
    }
}

fn template(input: ParseStream<'_>) -> syn::Result<LitStr> {
    if input.is_empty() {
        let message = "the lock needs a key: write `#[distributed_lock(\"account:{id}\")]`";
        return Err(syn::Error::new(input.span(), message));
    }
    if input.peek(syn::token::Bracket) {
        return Err(
            input.error("a list of keys is not available yet: write one key, \"account:{id}\"")
        );
    }
    if input.peek(Lit) {
        return literal(input);
    }
    if input.peek(Ident::peek_any) && input.peek2(Token![=]) {
        return Err(named(&input.call(Ident::parse_any)?, input));
    }
    Err(unquoted::refuse(input))
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

// `key = "account:{id}"`, or an option where the key should be.
fn named(name: &Ident, input: ParseStream<'_>) -> syn::Error {
    let value: Option<LitStr> = input.parse::<Token![=]>().and_then(|_| input.parse()).ok();
    let message = match value {
        Some(key) if !words::is_option_like(name) => {
            format!("the key has no name: write `{}` without `{name} =`", key.token())
        }
        _ => "the key comes first: write `\"account:{id}\", ` before the options".to_owned(),
    };
    syn::Error::new(name.span(), message)
}

/// What a format string refers to. The compiler checks the string itself; this only tells the arguments of the
/// key from the options.
#[derive(Default)]
struct Holes {
    names: Vec<String>,
    positional: usize,
    /// Whether every brace was understood; one may also be a fill, as in `{:{>9}`.
    certain: bool,
}

impl Holes {
    fn of(template: &str) -> Self {
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

    fn refer(&mut self, argument: &str) {
        match argument.parse::<usize>() {
            Ok(index) => self.positional = self.positional.max(index + 1),
            Err(_) if argument.is_empty() => self.positional += 1,
            Err(_) => self.names.push(argument.to_owned()),
        }
    }

    // `{:width$.precision$}` refers to arguments too, and `.*` takes one more.
    fn refer_in_format(&mut self, format: &str) {
        self.positional += usize::from(format.contains(".*"));
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
