use proc_macro2::Span;
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::token::Paren;
use syn::{Expr, ExprLit, Ident, Lit, LitBool, LitStr, Path, Token};

use crate::bound::Bound;
use crate::duration::Length;
use crate::keys::Keys;
use crate::on_error::OnError;
use crate::value::Place;
use crate::words::{self, After};

/// The options as they were written; what was left out is `None` or `false`.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "they do not depend on one another")]
pub(crate) struct Options {
    pub(crate) ttl: Option<Length>,
    pub(crate) wait: Option<Length>,
    pub(crate) max_hold: Option<Length>,
    pub(crate) linger: Option<Length>,
    pub(crate) renew: Option<LitBool>,
    pub(crate) reenter: Option<LitBool>,
    pub(crate) wait_for_release: bool,
    pub(crate) strict_fifo: bool,
    pub(crate) skip_if_busy: bool,
    pub(crate) on_error: OnError,
    pub(crate) finish_on_loss: bool,
    pub(crate) hold: Option<Bound>,
    pub(crate) manager: Option<Expr>,
    pub(crate) face: Option<Path>,
    seen: Vec<Place>,
}

impl Options {
    /// Whether the list of options has begun, and the arguments of the key have ended.
    pub(crate) const fn begun(&self) -> bool {
        !self.seen.is_empty()
    }

    pub(crate) fn places(&self) -> &[Place] {
        &self.seen
    }

    /// Where the word of an option stands.
    pub(crate) fn span(&self, name: &str) -> Span {
        let place = self.seen.iter().find(|place| place.word.name == name);
        place.map_or_else(Span::mixed_site, |place| place.span)
    }

    /// `word = value`
    pub(crate) fn parse_one(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        let ident = Ident::parse_any(input)?;
        let word = words::option(&ident).ok_or_else(|| not_an_option(&ident, input))?;
        if self.seen.iter().any(|place| place.word.name == word.name) {
            return Err(doubled(&ident));
        }
        let place = Place { word, span: ident.span() };
        place.equals(input)?;
        self.set(&place, input)?;
        self.seen.push(place);
        Ok(())
    }

    /// Refuses what contradicts each other.
    pub(crate) fn check(&self, keys: &Keys) -> syn::Result<()> {
        if let Some(hold) = &self.hold {
            hold.check(keys)?;
        }
        if self.linger.is_some() && self.strict_fifo {
            let message = "`linger` keeps the lock for this process, `fairness = strict` gives it to whoever asked first: remove \
                           one of them";
            return Err(syn::Error::new(self.span("linger"), message));
        }
        Ok(())
    }

    fn set(&mut self, place: &Place, input: ParseStream<'_>) -> syn::Result<()> {
        match place.word.name {
            "ttl" => self.ttl = Some(Length::parse_positive(place, input)?),
            "wait" => self.wait = Some(Length::parse(place, input)?),
            "max_hold" => self.max_hold = Some(Length::parse_positive(place, input)?),
            "linger" => self.linger = Some(Length::parse(place, input)?),
            "renew" => self.renew = Some(place.switch(input)?),
            "reenter" => self.reenter = Some(place.switch(input)?),
            "release" => self.wait_for_release = place.choice("confirmed", input)?,
            "fairness" => self.strict_fifo = place.choice("strict", input)?,
            "if_busy" => self.skip_if_busy = place.choice("skip", input)?,
            "on_error" => self.on_error = OnError::parse(place, input)?,
            "on_lost" => self.finish_on_loss = place.choice("finish", input)?,
            "hold" => self.hold = Some(Bound::parse(place, input)?),
            "manager" => self.manager = Some(manager(place, input)?),
            _ => self.face = Some(place.path(input)?),
        }
        Ok(())
    }
}

fn manager(place: &Place, input: ParseStream<'_>) -> syn::Result<Expr> {
    let manager = place.expr(input)?;
    if let Expr::Lit(ExprLit { lit: Lit::Str(url), .. }) = &manager {
        let message = format!(
            "`manager` takes a `LockManager`: make one once with `LockManager::connect({})` and name it here, \
             for example `{}`",
            url.token(),
            place.word.example
        );
        return Err(syn::Error::new(url.span(), message));
    }
    Ok(manager)
}

fn not_an_option(ident: &Ident, rest: ParseStream<'_>) -> syn::Error {
    if words::is_later(ident) {
        let message = format!("`{ident}` is not available yet: remove it");
        return syn::Error::new(ident.span(), message);
    }
    words::unknown(ident, after(rest))
}

fn after(rest: ParseStream<'_>) -> After {
    if rest.peek(Paren) {
        After::Parentheses
    } else if rest.peek2(LitStr) {
        After::Text
    } else if rest.peek2(Token![|]) || rest.peek2(Token![||]) || rest.peek2(Token![move]) {
        After::Closure
    } else {
        After::Other
    }
}

fn doubled(ident: &Ident) -> syn::Error {
    syn::Error::new(ident.span(), format!("`{ident}` is given twice: remove one of them"))
}
