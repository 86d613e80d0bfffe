use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Expr, Ident, LitBool, LitStr, Path, Token};

use crate::duration::Length;
use crate::words::{self, Word};

/// The options as they were written; what was left out is `None` or `false`.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) ttl: Option<Length>,
    pub(crate) wait: Option<Length>,
    pub(crate) max_hold: Option<Length>,
    pub(crate) renew: Option<LitBool>,
    pub(crate) release_confirmed: bool,
    pub(crate) skip_if_busy: bool,
    pub(crate) on_error: OnError,
    pub(crate) finish_on_loss: bool,
    pub(crate) hold: Option<Ident>,
    pub(crate) manager: Option<Expr>,
    pub(crate) face: Option<Path>,
    seen: Vec<&'static str>,
}

/// What becomes of a failure to lock.
#[derive(Default)]
pub(crate) enum OnError {
    #[default]
    Return,
    Panic,
    Handle(Expr),
}

impl Options {
    /// Whether the list of options has begun, and the arguments of the key have ended.
    pub(crate) const fn begun(&self) -> bool {
        !self.seen.is_empty()
    }

    /// `word = value`
    pub(crate) fn parse_one(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        let ident = Ident::parse_any(input)?;
        let word = words::option(&ident).ok_or_else(|| not_an_option(&ident))?;
        if self.seen.contains(&word.name) {
            return Err(doubled(&ident));
        }
        self.seen.push(word.name);
        equals(word, &ident, input)?;
        self.set(word, input)
    }

    fn set(&mut self, word: &Word, input: ParseStream<'_>) -> syn::Result<()> {
        match word.name {
            "ttl" => self.ttl = Some(Length::parse_positive(word, input)?),
            "wait" => self.wait = Some(Length::parse(word, input)?),
            "max_hold" => self.max_hold = Some(Length::parse_positive(word, input)?),
            "renew" => self.renew = Some(switch(word, input)?),
            "release" => self.release_confirmed = choice("confirmed", word, input)?,
            "if_busy" => self.skip_if_busy = choice("skip", word, input)?,
            "on_error" => self.on_error = OnError::parse(input)?,
            "on_lost" => self.finish_on_loss = choice("finish", word, input)?,
            "hold" => self.hold = Some(name(word, input)?),
            "manager" => self.manager = Some(input.parse()?),
            _ => self.face = Some(path(word, input)?),
        }
        Ok(())
    }
}

impl OnError {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let handler = ungrouped(input.parse()?);
        match &handler {
            Expr::Path(path) if path.path.is_ident("panic") => Ok(Self::Panic),
            Expr::Lit(_) | Expr::Macro(_) => Err(not_a_handler(&handler)),
            _ => Ok(Self::Handle(handler)),
        }
    }
}

/// An expression that passed through `macro_rules!` comes inside invisible delimiters.
pub(crate) fn ungrouped(expr: Expr) -> Expr {
    match expr {
        Expr::Group(group) => ungrouped(*group.expr),
        other => other,
    }
}

// A value or a `panic!(…)` would be evaluated on every call, not on failure.
fn not_a_handler(handler: &Expr) -> syn::Error {
    let message = "`on_error` takes what to do with the error: write `on_error = panic`, \
                   `on_error = |err| expr` or the path of a function";
    syn::Error::new_spanned(handler, message)
}

fn not_an_option(ident: &Ident) -> syn::Error {
    if words::is_later(ident) {
        let message = format!("`{ident}` is not available yet: remove it");
        return syn::Error::new(ident.span(), message);
    }
    words::unknown(ident)
}

fn doubled(ident: &Ident) -> syn::Error {
    syn::Error::new(ident.span(), format!("`{ident}` is given twice: remove one of them"))
}

fn equals(word: &Word, ident: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
    if input.peek(Token![=]) && !input.peek(Token![==]) {
        input.parse::<Token![=]>()?;
        if !input.is_empty() && !input.peek(Token![,]) {
            return Ok(());
        }
    }
    let message = format!("`{ident}` needs a value: write `{}`", word.example);
    Err(syn::Error::new(ident.span(), message))
}

fn switch(word: &Word, input: ParseStream<'_>) -> syn::Result<LitBool> {
    let span = input.span();
    input.parse().map_err(|_| {
        let message = format!("`{0}` is `true` or `false`: write `{0} = false`", word.name);
        syn::Error::new(span, message)
    })
}

fn choice(only: &str, word: &Word, input: ParseStream<'_>) -> syn::Result<bool> {
    let span = input.span();
    match input.call(Ident::parse_any) {
        Ok(ident) if ident == only => Ok(true),
        _ => Err(syn::Error::new(
            span,
            format!("`{}` can only be `{only}`: write `{}`", word.name, word.example),
        )),
    }
}

fn name(word: &Word, input: ParseStream<'_>) -> syn::Result<Ident> {
    let span = input.span();
    input.parse().map_err(|_| {
        let message =
            format!("`{}` takes the name to bind in the body: write `{}`", word.name, word.example);
        syn::Error::new(span, message)
    })
}

fn path(word: &Word, input: ParseStream<'_>) -> syn::Result<Path> {
    let span = input.span();
    let quoted = input.peek(LitStr);
    input.call(Path::parse_mod_style).map_err(|_| {
        let hint = if quoted { " without quotes" } else { "" };
        let message = format!("`{}` takes a path{hint}: write `{}`", word.name, word.example);
        syn::Error::new(span, message)
    })
}
