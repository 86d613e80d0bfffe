use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Expr, Ident, Lit, LitStr, Token};

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

    /// Whether the literal still has a place for an argument without a name.
    pub(crate) const fn wants_positional(&self) -> bool {
        self.positional < self.holes.positional
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
        return Err(
            input.error("the key comes first: write `\"account:{id}\", ` before the options")
        );
    }
    Err(not_a_literal(&input.parse()?))
}

fn literal(input: ParseStream<'_>) -> syn::Result<LitStr> {
    match input.parse()? {
        Lit::Str(text) if text.value().is_empty() => Err(syn::Error::new(
            text.span(),
            "the key is empty: write what is locked, for example \"account:{id}\"",
        )),
        Lit::Str(text) => Ok(text),
        other => Err(syn::Error::new(
            other.span(),
            "the key is text: write a string literal, for example \"account:{id}\"",
        )),
    }
}

fn not_a_literal(key: &Expr) -> syn::Error {
    let text = key.to_token_stream().to_string();
    let message = match key {
        Expr::Path(_) => format!("the key is a string literal: write `\"{{}}\", {text}`"),
        _ => "the key is a string literal: write `\"{}\", ` before this expression".to_owned(),
    };
    syn::Error::new_spanned(key, message)
}

/// What a format string refers to. The compiler checks the string itself; this only tells the arguments of the
/// key from the options.
#[derive(Default)]
struct Holes {
    names: Vec<String>,
    positional: usize,
}

impl Holes {
    fn of(template: &str) -> Self {
        let text = template.replace("{{", "").replace("}}", "");
        let mut holes = Self::default();
        for hole in text.split('{').skip(1).filter_map(|rest| rest.split_once('}')) {
            let (argument, format) = hole.0.split_once(':').unwrap_or((hole.0, ""));
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
