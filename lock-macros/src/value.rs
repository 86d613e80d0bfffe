use proc_macro2::Span;
use syn::ext::IdentExt as _;
use syn::parse::{Parse as _, ParseStream};
use syn::{Expr, Ident, LitBool, LitStr, Path, Token};

use crate::words::Word;

/// An option as it stands in the attribute: its word, and where.
pub(crate) struct Place {
    pub(crate) word: &'static Word,
    pub(crate) span: Span,
}

impl Place {
    /// `=`, and something after it.
    pub(crate) fn equals(&self, input: ParseStream<'_>) -> syn::Result<()> {
        let Word { name, example } = self.word;
        if input.peek(Token![=]) && !input.peek(Token![==]) {
            input.parse::<Token![=]>()?;
        } else if !is_at_end(input) {
            let message =
                format!("`{name}` takes its value after `=`: write for example `{example}`");
            return Err(syn::Error::new(self.span, message));
        }
        if is_at_end(input) {
            let message = format!("`{name}` needs a value: write for example `{example}`");
            return Err(syn::Error::new(self.span, message));
        }
        Ok(())
    }

    pub(crate) fn expr(&self, input: ParseStream<'_>) -> syn::Result<Expr> {
        let ahead = input.fork();
        match Expr::parse(&ahead) {
            Ok(_) => input.parse().map(ungrouped),
            Err(_) if ahead.is_empty() => {
                let Word { name, example } = self.word;
                let message =
                    format!("the value of `{name}` is unfinished: write for example `{example}`");
                Err(syn::Error::new(self.span, message))
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) fn switch(&self, input: ParseStream<'_>) -> syn::Result<LitBool> {
        let name = self.word.name;
        let otherwise = match name {
            "renew" => "to renew at a third of the ttl",
            _ => "to re-enter",
        };
        let message = format!(
            "`{name}` is `true` or `false`: write `{name} = false`, or leave it out {otherwise}"
        );
        or_say(input, LitBool::parse, &message)
    }

    pub(crate) fn choice(&self, only: &str, input: ParseStream<'_>) -> syn::Result<bool> {
        let Word { name, example } = self.word;
        let message = format!("`{name}` can only be `{only}`: write `{example}`, or leave it out");
        let span = input.span();
        match or_say(input, Ident::parse_any, &message)? {
            chosen if chosen == only => Ok(true),
            _ => Err(syn::Error::new(span, message)),
        }
    }

    pub(crate) fn name(&self, input: ParseStream<'_>) -> syn::Result<Ident> {
        let Word { name, example } = self.word;
        let message = format!("`{name}` takes the name to bind in the body: write `{example}`");
        or_say(input, Ident::parse, &message)
    }

    pub(crate) fn path(&self, input: ParseStream<'_>) -> syn::Result<Path> {
        let Word { name, example } = self.word;
        let hint = if input.peek(LitStr) { " without quotes" } else { "" };
        let message = format!("`{name}` takes a path{hint}: write `{example}`");
        or_say(input, Path::parse_mod_style, &message)
    }
}

/// An expression that passed through `macro_rules!` comes inside invisible delimiters.
fn ungrouped(expr: Expr) -> Expr {
    match expr {
        Expr::Group(group) => ungrouped(*group.expr),
        other => other,
    }
}

fn is_at_end(input: ParseStream<'_>) -> bool {
    input.is_empty() || input.peek(Token![,])
}

fn or_say<T>(
    input: ParseStream<'_>,
    parse: fn(ParseStream<'_>) -> syn::Result<T>,
    message: &str,
) -> syn::Result<T> {
    let span = input.span();
    input.call(parse).map_err(|_| syn::Error::new(span, message))
}
