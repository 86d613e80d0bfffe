use quote::ToTokens as _;
use syn::parse::ParseStream;
use syn::spanned::Spanned as _;
use syn::{Expr, ExprClosure, ExprPath, Lit};

use crate::text::compact;
use crate::value::Place;

/// What becomes of a failure to lock.
#[derive(Default)]
pub(crate) enum OnError {
    #[default]
    Return,
    Panic,
    Handle(Box<Expr>),
}

impl OnError {
    pub(crate) fn parse(place: &Place, input: ParseStream<'_>) -> syn::Result<Self> {
        let handler = place.expr(input)?;
        match &handler {
            Expr::Path(path) if path.path.is_ident("panic") => Ok(Self::Panic),
            Expr::Closure(closure) if is_async(closure) => Err(awaits(closure)),
            Expr::Closure(closure) if closure.inputs.len() != 1 => Err(wrong_arity(closure)),
            other => match instead(other) {
                Some(instead) => Err(not_a_handler(other, &instead)),
                None => Ok(Self::Handle(Box::new(handler))),
            },
        }
    }
}

// A value or a `panic!(…)` would be evaluated on every call, not on failure.
fn instead(handler: &Expr) -> Option<String> {
    match handler {
        Expr::Lit(literal) if is_text(&literal.lit, "panic") => Some("on_error = panic".to_owned()),
        Expr::Macro(mac) if mac.mac.path.is_ident("panic") => {
            Some("on_error = panic` or `on_error = |err| panic!(\"{err}\")".to_owned())
        }
        Expr::Return(_) | Expr::Break(_) | Expr::Continue(_) => {
            Some("on_error = |err| Err(err.into())".to_owned())
        }
        Expr::Call(call) if is_variant(&call.func, "Err") => {
            Some("on_error = |err| Err(err.into())".to_owned())
        }
        value if is_value(value) => {
            Some(format!("on_error = |_| {}", compact(&value.to_token_stream())))
        }
        _ => None,
    }
}

fn is_value(handler: &Expr) -> bool {
    match handler {
        Expr::Path(_) => is_variant(handler, "None"),
        Expr::Call(call) => {
            ["Ok", "Some"].iter().any(|name| is_variant(&call.func, name))
                || is_default(&call.func) && call.args.is_empty()
        }
        Expr::Lit(_) | Expr::Macro(_) | Expr::Tuple(_) | Expr::Array(_) | Expr::Struct(_) => true,
        _ => false,
    }
}

fn is_variant(expr: &Expr, name: &str) -> bool {
    last_segment(expr).is_some_and(|last| last == name)
}

// `Default::default()`, `Vec::default()`
fn is_default(expr: &Expr) -> bool {
    is_variant(expr, "default")
}

fn last_segment(expr: &Expr) -> Option<String> {
    let Expr::Path(ExprPath { path, .. }) = expr else {
        return None;
    };
    path.segments.last().map(|last| last.ident.to_string())
}

fn is_text(literal: &Lit, text: &str) -> bool {
    matches!(literal, Lit::Str(literal) if literal.value() == text)
}

fn not_a_handler(handler: &Expr, instead: &str) -> syn::Error {
    let message =
        format!("`on_error` takes what to do with the error, not a value: write `{instead}`");
    syn::Error::new_spanned(handler, message)
}

fn is_async(closure: &ExprClosure) -> bool {
    closure.asyncness.is_some() || matches!(*closure.body, Expr::Async(_))
}

fn awaits(closure: &ExprClosure) -> syn::Error {
    let message = "`on_error` cannot await: write a plain closure, `|err| Err(err.into())`, and await where the function is \
                   called";
    syn::Error::new_spanned(closure, message)
}

fn wrong_arity(closure: &ExprClosure) -> syn::Error {
    let given = if closure.inputs.is_empty() { "no argument" } else { "more than one argument" };
    let message = format!(
        "`on_error` calls the closure with the error, and this one takes {given}: write `|err| expr`, or `|_| expr` to \
         leave it aside"
    );
    let span =
        closure.inputs.first().map_or(closure.inputs_begin.span(), syn::spanned::Spanned::span);
    syn::Error::new(span, message)
}
