use std::time::Duration;

use proc_macro2::Span;
use syn::ext::IdentExt as _;
use syn::parse::{Parse as _, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::token::Bracket;
use syn::{
    Error, Expr, ExprClosure, ExprLit, Ident, Lit, LitBool, LitStr, Path, Result, Token, bracketed,
};

use crate::args::{comma, is_at_end};
use crate::errors::{self, display};
use crate::key::KeySpec;
use crate::suggestions::{self, OptionInfo};

/// The options as they were written; one that was left out is `None` or `false`.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "they do not depend on one another")]
pub(crate) struct Options {
    pub(crate) ttl: Option<DurationArg>,
    pub(crate) wait: Option<DurationArg>,
    pub(crate) max_hold: Option<DurationArg>,
    pub(crate) linger: Option<DurationArg>,
    pub(crate) renew: Option<LitBool>,
    pub(crate) reenter: Option<LitBool>,
    pub(crate) wait_for_release: bool,
    pub(crate) strict_fifo: bool,
    pub(crate) skip_if_busy: bool,
    pub(crate) on_error: OnError,
    pub(crate) finish_on_loss: bool,
    pub(crate) hold: Option<HoldBinding>,
    pub(crate) manager: Option<Expr>,
    pub(crate) crate_path: Option<Path>,
    pub(crate) given: Vec<OptionName>,
}

impl Options {
    /// Whether an option was read, which ends the arguments of the key.
    pub(crate) const fn have_begun(&self) -> bool {
        !self.given.is_empty()
    }

    /// Where the name of the option is written.
    pub(crate) fn span(&self, name: &str) -> Span {
        let option = self.given.iter().find(|option| option.info.name == name);
        option.map_or_else(Span::mixed_site, |option| option.span)
    }

    /// The options that are durations. With `if_busy = skip` a call tries once, unless the
    /// attribute says how long to wait.
    pub(crate) fn durations(&self) -> [(&'static str, Option<&DurationArg>); 4] {
        const ONCE: &DurationArg = &DurationArg::Constant(Duration::ZERO);
        [
            ("ttl", self.ttl.as_ref()),
            ("wait", self.wait.as_ref().or(self.skip_if_busy.then_some(ONCE))),
            ("max_hold", self.max_hold.as_ref()),
            ("linger", self.linger.as_ref()),
        ]
    }

    /// `name = value`
    pub(crate) fn parse_one(&mut self, input: ParseStream<'_>) -> Result<()> {
        let name = Ident::parse_any(input)?;
        let info = suggestions::option(&name.to_string())
            .ok_or_else(|| suggestions::not_an_option(&name, input))?;
        if self.given.iter().any(|option| option.info.name == info.name) {
            return Err(errors::repeated(&name, &name));
        }
        let option = OptionName { info, span: name.span() };
        option.parse_equals(input)?;
        self.set(&option, input)?;
        self.given.push(option);
        Ok(())
    }

    fn set(&mut self, option: &OptionName, input: ParseStream<'_>) -> Result<()> {
        match option.info.name {
            "ttl" => self.ttl = Some(DurationArg::parse_positive(option, input)?),
            "wait" => self.wait = Some(DurationArg::parse(option, input)?),
            "max_hold" => self.max_hold = Some(DurationArg::parse_positive(option, input)?),
            "linger" => self.linger = Some(DurationArg::parse(option, input)?),
            "renew" => {
                self.renew = Some(option.switch("to renew at a third of the ttl", input)?);
            }
            "reenter" => self.reenter = Some(option.switch("to re-enter", input)?),
            "release" => self.wait_for_release = option.choice("confirmed", input)?,
            "fairness" => self.strict_fifo = option.choice("strict", input)?,
            "if_busy" => self.skip_if_busy = option.choice("skip", input)?,
            "on_error" => self.on_error = OnError::parse(option, input)?,
            "on_lost" => self.finish_on_loss = option.choice("finish", input)?,
            "hold" => self.hold = Some(HoldBinding::parse(option, input)?),
            "manager" => self.manager = Some(option.manager(input)?),
            _ => self.crate_path = Some(option.path(input)?),
        }
        Ok(())
    }

    /// Refuses options that contradict each other or the keys.
    pub(crate) fn check(&self, keys: &KeySpec) -> Result<()> {
        if let Some(hold) = &self.hold {
            hold.check(keys)?;
        }
        if self.linger.is_some() && self.strict_fifo {
            return Err(errors::linger_with_fairness(self.span("linger")));
        }
        Ok(())
    }
}

/// An option in the attribute: which one, and where.
pub(crate) struct OptionName {
    pub(crate) info: &'static OptionInfo,
    pub(crate) span: Span,
}

impl OptionName {
    // `=`, and something after it.
    fn parse_equals(&self, input: ParseStream<'_>) -> Result<()> {
        let OptionInfo { name, example } = self.info;
        if input.peek(Token![=]) && !input.peek(Token![==]) {
            input.parse::<Token![=]>()?;
        } else if !is_at_end(input) {
            return Err(errors::no_equals(self.span, name, example));
        }
        if is_at_end(input) {
            return Err(errors::no_value(self.span, name, example));
        }
        Ok(())
    }

    fn expr(&self, input: ParseStream<'_>) -> Result<Expr> {
        let OptionInfo { name, example } = self.info;
        let ahead = input.fork();
        match Expr::parse(&ahead) {
            Ok(_) => input.parse().map(ungrouped),
            Err(_) if ahead.is_empty() => Err(errors::unfinished_value(self.span, name, example)),
            Err(error) => Err(error),
        }
    }

    fn manager(&self, input: ParseStream<'_>) -> Result<Expr> {
        match self.expr(input)? {
            Expr::Lit(ExprLit { lit: Lit::Str(url), .. }) => {
                Err(errors::url_as_manager(&url, url.token(), self.info.example))
            }
            manager => Ok(manager),
        }
    }

    fn switch(&self, default: &str, input: ParseStream<'_>) -> Result<LitBool> {
        let at = input.span();
        input.parse().map_err(|_| errors::not_a_switch(at, self.info.name, default))
    }

    fn choice(&self, choice: &str, input: ParseStream<'_>) -> Result<bool> {
        let (OptionInfo { name, example }, at) = (self.info, input.span());
        let chosen = input.call(Ident::parse_any).is_ok_and(|chosen| chosen == choice);
        if chosen { Ok(true) } else { Err(errors::not_the_choice(at, name, choice, example)) }
    }

    fn name(&self, input: ParseStream<'_>) -> Result<Ident> {
        let (OptionInfo { name, example }, at) = (self.info, input.span());
        input.parse().map_err(|_| errors::not_a_name(at, name, example))
    }

    fn path(&self, input: ParseStream<'_>) -> Result<Path> {
        let (OptionInfo { name, example }, at) = (self.info, input.span());
        let hint = if input.peek(LitStr) { " without quotes" } else { "" };
        let path = input.call(Path::parse_mod_style);
        path.map_err(|_| errors::not_a_path(at, name, hint, example))
    }
}

// An expression that passed through `macro_rules!` comes inside invisible delimiters.
fn ungrouped(expr: Expr) -> Expr {
    match expr {
        Expr::Group(group) => ungrouped(*group.expr),
        other => other,
    }
}

/// A duration: known at compile time, or computed by each call of the function.
pub(crate) enum DurationArg {
    Constant(Duration),
    Computed(Box<Expr>),
}

impl DurationArg {
    fn parse(option: &OptionName, input: ParseStream<'_>) -> Result<Self> {
        match option.expr(input)? {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Self::parse_text(option, &text),
            expr @ Expr::Lit(ExprLit { lit: Lit::Bool(_), .. }) => {
                Err(endless(option, expr.span()))
            }
            Expr::Lit(ExprLit { lit, .. }) => Err(not_a_duration(option, &lit)),
            Expr::Path(path) if is_endless(&display(&path)) => Err(endless(option, path.span())),
            computed => Ok(Self::Computed(Box::new(computed))),
        }
    }

    fn parse_positive(option: &OptionName, input: ParseStream<'_>) -> Result<Self> {
        let (OptionInfo { name, example }, at) = (option.info, input.span());
        match Self::parse(option, input)? {
            Self::Constant(Duration::ZERO) => Err(errors::zero(at, name, example)),
            duration => Ok(duration),
        }
    }

    fn parse_text(option: &OptionName, literal: &LitStr) -> Result<Self> {
        use humantime::DurationError::{NumberOverflow, UnknownUnit};

        let OptionInfo { name, example } = option.info;
        let text = literal.value();
        let text = text.trim();
        if is_endless(text) {
            return Err(endless(option, literal.span()));
        }
        humantime::parse_duration(text).map(Self::Constant).map_err(|error| match error {
            UnknownUnit { unit, .. } if unit.is_empty() => errors::no_unit(literal, name, text),
            UnknownUnit { unit, .. } => errors::unknown_unit(literal, unit, example),
            NumberOverflow => errors::overflow(literal, name, example),
            _ => errors::unreadable_duration(literal, name, example),
        })
    }
}

fn not_a_duration(option: &OptionName, literal: &Lit) -> Error {
    let OptionInfo { name, example } = option.info;
    let Lit::Int(number) = literal else {
        return errors::not_a_duration(literal, name, example);
    };
    // Other languages count in milliseconds, and nobody means 5000 seconds by 5000.
    let is_large = number.base10_parse::<u64>().is_ok_and(|number| number >= 1000);
    let unit = match number.suffix() {
        unit @ ("ms" | "s" | "m" | "h" | "d") => unit,
        _ if is_large => "ms",
        _ => "s",
    };
    let example = format!("{name} = \"{}{unit}\"", number.base10_digits());
    errors::not_a_duration(literal, name, example)
}

fn is_endless(text: &str) -> bool {
    ["None", "none", "forever", "infinite", "never", "unlimited"].contains(&text)
}

// `wait = none` may mean "do not wait" or "without end".
fn endless(option: &OptionName, at: Span) -> Error {
    let OptionInfo { name, example } = option.info;
    match *name {
        "wait" => errors::endless_wait(at),
        "linger" => errors::endless_linger(at),
        _ => errors::endless(at, name, example),
    }
}

/// What becomes of a failure to lock.
#[derive(Default)]
pub(crate) enum OnError {
    #[default]
    Return,
    Panic,
    Handle(Box<Expr>),
}

impl OnError {
    fn parse(option: &OptionName, input: ParseStream<'_>) -> Result<Self> {
        let handler = option.expr(input)?;
        match &handler {
            Expr::Path(path) if path.path.is_ident("panic") => Ok(Self::Panic),
            Expr::Closure(closure) if is_async(closure) => Err(errors::async_handler(closure)),
            Expr::Closure(ExprClosure { inputs, inputs_begin, .. }) if inputs.len() != 1 => {
                let (at, given) = match inputs.first() {
                    None => (inputs_begin.span(), "no argument"),
                    Some(first) => (first.span(), "more than one argument"),
                };
                Err(errors::handler_arguments(at, given))
            }
            other => match handler_for(other) {
                Some(meant) => Err(errors::not_a_handler(other, meant)),
                None => Ok(Self::Handle(Box::new(handler))),
            },
        }
    }
}

fn is_async(closure: &ExprClosure) -> bool {
    closure.asyncness.is_some() || matches!(*closure.body, Expr::Async(_))
}

// What was meant by a value or by `panic!(…)`, which would be evaluated on every call.
fn handler_for(value: &Expr) -> Option<String> {
    let handler = match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if text.value() == "panic" => {
            "on_error = panic"
        }
        Expr::Macro(mac) if mac.mac.path.is_ident("panic") => {
            "on_error = panic` or `on_error = |err| panic!(\"{err}\")"
        }
        Expr::Return(_) | Expr::Break(_) | Expr::Continue(_) => "on_error = |err| Err(err.into())",
        Expr::Call(call) if last_segment(&call.func) == "Err" => "on_error = |err| Err(err.into())",
        value if is_value(value) => return Some(format!("on_error = |_| {}", display(value))),
        _ => return None,
    };
    Some(handler.to_owned())
}

fn is_value(expr: &Expr) -> bool {
    match expr {
        Expr::Path(_) => last_segment(expr) == "None",
        Expr::Call(call) => match last_segment(&call.func).as_str() {
            "Ok" | "Some" => true,
            // `Default::default()`, `Vec::default()`
            "default" => call.args.is_empty(),
            _ => false,
        },
        Expr::Lit(_) | Expr::Macro(_) | Expr::Tuple(_) | Expr::Array(_) | Expr::Struct(_) => true,
        _ => false,
    }
}

fn last_segment(expr: &Expr) -> String {
    let Expr::Path(path) = expr else { return String::new() };
    path.path.segments.last().map_or_else(String::new, |last| last.ident.to_string())
}

/// What `hold = …` binds in the body.
pub(crate) enum HoldBinding {
    /// The hold of the key, or of the last in order.
    One(Ident),
    /// A hold for each key of a list.
    Each(Bracket, Punctuated<Ident, Token![,]>),
}

impl HoldBinding {
    fn parse(option: &OptionName, input: ParseStream<'_>) -> Result<Self> {
        if !input.peek(Bracket) {
            return option.name(input).map(Self::One);
        }
        let list;
        let brackets = bracketed!(list in input);
        let mut names = Punctuated::new();
        while !list.is_empty() {
            let is_ignored = list.peek(Token![_]);
            names.push_value(if is_ignored {
                Ident::parse_any(&list)
            } else {
                option.name(&list)
            }?);
            if !list.is_empty() {
                comma(&list)?;
                names.push_punct(<Token![,]>::default());
            }
        }
        Ok(Self::Each(brackets, names))
    }

    // As many names as there are keys.
    fn check(&self, keys: &KeySpec) -> Result<()> {
        let Self::Each(brackets, names) = self else { return Ok(()) };
        let (at, number_of_keys) = (brackets.span.join(), keys.patterns.len());
        if !keys.is_list {
            return Err(errors::holds_of_one_key(at));
        }
        if number_of_keys != names.len() {
            let (keys, holds) = (counted(number_of_keys, "key"), counted(names.len(), "hold"));
            return Err(errors::number_of_holds(at, keys, holds));
        }
        Ok(())
    }
}

fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}
