use std::mem;
use std::time::Duration;

use proc_macro2::{Span, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt as _;
use syn::parse::{Parse as _, ParseStream};
use syn::spanned::Spanned as _;
use syn::token::Bracket;
use syn::{
    Error, Expr, ExprClosure, ExprLit, ExprUnary, Ident, Lit, LitBool, LitStr, Path, Result, Token,
    UnOp, bracketed,
};

use crate::args::{comma, is_at_end};
use crate::errors::{self, display};
use crate::key::{KeyPattern, KeySpec, KeyValue};
use crate::output::find_ident;
use crate::suggestions;

/// The options as they were written; one that was left out is `None`.
#[derive(Default)]
pub(crate) struct Options {
    durations: Vec<(&'static str, DurationArg)>,
    pub(crate) replicas: Option<ReplicasArg>,
    pub(crate) renew: Option<LitBool>,
    pub(crate) reenter: Option<LitBool>,
    pub(crate) if_busy: Option<IfBusy>,
    pub(crate) on_error: OnError,
    pub(crate) prefix: Option<Prefix>,
    pub(crate) hold: Option<HoldBinding>,
    pub(crate) manager: Option<Expr>,
    pub(crate) crate_path: Option<Path>,
    /// All of them, also those that can have only one value.
    pub(crate) given: Vec<OptionName>,
}

impl Options {
    /// Whether an option was read, which ends the arguments of the key.
    pub(crate) const fn have_begun(&self) -> bool {
        !self.given.is_empty()
    }

    fn find(&self, name: &str) -> Option<&OptionName> {
        self.given.iter().find(|option| option.name == name)
    }

    /// Whether the option is given.
    pub(crate) fn have(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Where the name of the option is written.
    pub(crate) fn span(&self, name: &str) -> Span {
        self.find(name).map_or_else(Span::mixed_site, |option| option.span)
    }

    /// The options that are durations, in the order in which a call evaluates them.
    pub(crate) fn durations(&self) -> impl Iterator<Item = &(&'static str, DurationArg)> {
        let names = ["ttl", "wait", "max_hold", "min_hold", "confirm", "linger"];
        names.into_iter().filter_map(|name| self.durations.iter().find(|(given, _)| *given == name))
    }

    // A duration that is known at compile time.
    fn constant(&self, name: &str) -> Option<Duration> {
        match self.durations.iter().find(|(given, _)| *given == name)? {
            (_, DurationArg::Constant(duration)) => Some(*duration),
            (_, DurationArg::Computed(_)) => None,
        }
    }

    /// `name = value`
    pub(crate) fn parse_one(&mut self, input: ParseStream<'_>) -> Result<()> {
        let name = Ident::parse_any(input)?;
        let info = suggestions::option(&name.to_string())
            .ok_or_else(|| suggestions::not_an_option(&name, input))?;
        if self.have(info.name) {
            return Err(errors::repeated(&name, &name));
        }
        let option = OptionName { name: info.name, example: info.example, span: name.span() };
        option.parse_equals(input)?;
        self.set(&option, input)?;
        self.given.push(option);
        Ok(())
    }

    fn set(&mut self, option: &OptionName, input: ParseStream<'_>) -> Result<()> {
        match option.name {
            "ttl" | "wait" | "max_hold" | "min_hold" | "confirm" | "linger" => {
                self.durations.push((option.name, DurationArg::parse(option, input)?));
            }
            "replicas" => self.replicas = Some(ReplicasArg::parse(option, input)?),
            "renew" => {
                self.renew = Some(option.switch("to renew at a third of the ttl", input)?);
            }
            "reenter" => self.reenter = Some(option.switch("to re-enter", input)?),
            "release" => option.choice("confirmed", input)?,
            "fairness" => option.choice("strict", input)?,
            "if_busy" => self.if_busy = Some(IfBusy::parse(option, input)?),
            "on_lost" => option.choice("finish", input)?,
            "on_error" => self.on_error = OnError::parse(option, input)?,
            "prefix" => self.prefix = Some(Prefix::parse(option, input)?),
            "hold" => self.hold = Some(HoldBinding::parse(option, input)?),
            "manager" => self.manager = Some(option.manager(input)?),
            _ => self.crate_path = Some(option.path(input)?),
        }
        Ok(())
    }

    /// Takes over the options of `defaults` that are not given here.
    pub(crate) fn take_defaults(&mut self, mut defaults: Self) {
        for option in defaults.given {
            if self.have(option.name) {
                continue;
            }
            match option.name {
                "replicas" => self.replicas = defaults.replicas.take(),
                "renew" => self.renew = defaults.renew.take(),
                "reenter" => self.reenter = defaults.reenter.take(),
                "if_busy" => self.if_busy = defaults.if_busy.take(),
                "on_error" => self.on_error = mem::take(&mut defaults.on_error),
                "prefix" => self.prefix = defaults.prefix.take(),
                "manager" => self.manager = defaults.manager.take(),
                "crate" => self.crate_path = defaults.crate_path.take(),
                name => {
                    self.durations.extend(defaults.durations.extract_if(.., |(of, _)| *of == name));
                }
            }
            self.given.push(option);
        }
    }

    /// What makes the value of a call that finds the lock held.
    pub(crate) fn busy_handler(&self) -> Option<&Expr> {
        match &self.if_busy {
            Some(IfBusy::Handle(handler)) => Some(handler),
            Some(IfBusy::Skip) | None => None,
        }
    }

    /// What makes the value of a call that fails.
    pub(crate) fn error_handler(&self) -> Option<&Expr> {
        match &self.on_error {
            OnError::Handle(handler) => Some(handler),
            OnError::Return | OnError::Panic => None,
        }
    }

    /// Whether `if_busy = skip` is given.
    pub(crate) const fn skip(&self) -> bool {
        matches!(self.if_busy, Some(IfBusy::Skip))
    }

    // Whether an option that is zero by default is given and is not zero.
    fn have_nonzero(&self, name: &str) -> bool {
        self.have(name) && self.constant(name) != Some(Duration::ZERO)
    }

    /// Refuses options that contradict the keys or each other. A call that is skipped tries once,
    /// unless the attribute says how long to wait.
    pub(crate) fn check(&mut self, keys: &KeySpec) -> Result<()> {
        if let Some(hold) = &self.hold {
            hold.check(keys)?;
        }
        self.check_each_other()?;
        if self.have("if_busy") && !self.have("wait") {
            self.durations.push(("wait", DurationArg::Constant(Duration::ZERO)));
        }
        Ok(())
    }

    /// Refuses options that contradict each other.
    pub(crate) fn check_each_other(&self) -> Result<()> {
        let lingers = self.have_nonzero("linger");
        if lingers && self.have("fairness") {
            return Err(errors::linger_with_fairness(self.span("linger")));
        }
        if lingers && self.have_nonzero("min_hold") {
            return Err(errors::linger_with_min_hold(self.span("linger")));
        }
        if let (Some(min_hold), Some(max_hold)) =
            (self.constant("min_hold"), self.constant("max_hold"))
            && max_hold < min_hold
        {
            return Err(errors::max_hold_below_min_hold(self.span("max_hold")));
        }
        Ok(())
    }
}

/// An option in the attribute: which one, and where.
pub(crate) struct OptionName {
    pub(crate) name: &'static str,
    example: &'static str,
    pub(crate) span: Span,
}

impl OptionName {
    // `=`, and something after it.
    fn parse_equals(&self, input: ParseStream<'_>) -> Result<()> {
        if input.peek(Token![=]) && !input.peek(Token![==]) {
            input.parse::<Token![=]>()?;
        } else if !is_at_end(input) {
            return Err(errors::no_equals(self.span, self.name, self.example));
        }
        if is_at_end(input) {
            return Err(errors::no_value(self.span, self.name, self.example));
        }
        Ok(())
    }

    fn expr(&self, input: ParseStream<'_>) -> Result<Expr> {
        let ahead = input.fork();
        match Expr::parse(&ahead) {
            Ok(_) => input.parse().map(ungrouped),
            Err(_) if ahead.is_empty() => {
                Err(errors::unfinished_value(self.span, self.name, self.example))
            }
            Err(error) => Err(error),
        }
    }

    fn manager(&self, input: ParseStream<'_>) -> Result<Expr> {
        match self.expr(input)? {
            Expr::Lit(ExprLit { lit: Lit::Str(url), .. }) => {
                Err(errors::url_as_manager(&url, url.token(), self.example))
            }
            manager => Ok(manager),
        }
    }

    fn switch(&self, default: &str, input: ParseStream<'_>) -> Result<LitBool> {
        let at = input.span();
        input.parse().map_err(|_| errors::not_a_switch(at, self.name, default))
    }

    fn choice(&self, choice: &str, input: ParseStream<'_>) -> Result<()> {
        let at = input.span();
        let chosen = input.call(Ident::parse_any).is_ok_and(|chosen| chosen == choice);
        if chosen {
            Ok(())
        } else {
            Err(errors::not_the_choice(at, self.name, choice, self.example))
        }
    }

    fn name(&self, input: ParseStream<'_>) -> Result<Ident> {
        let at = input.span();
        input.parse().map_err(|_| errors::not_a_name(at, self.name, self.example))
    }

    fn path(&self, input: ParseStream<'_>) -> Result<Path> {
        let at = input.span();
        let hint = if input.peek(LitStr) { " without quotes" } else { "" };
        let path = input.call(Path::parse_mod_style);
        path.map_err(|_| errors::not_a_path(at, self.name, hint, self.example))
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

    fn parse_text(option: &OptionName, literal: &LitStr) -> Result<Self> {
        use humantime::DurationError::{NumberOverflow, UnknownUnit};

        let OptionName { name, example, .. } = option;
        let text = literal.value();
        let text = text.trim();
        if is_endless(text) {
            return Err(endless(option, literal.span()));
        }
        Err(match humantime::parse_duration(text) {
            Ok(Duration::ZERO) if matches!(*name, "ttl" | "max_hold" | "confirm") => {
                errors::zero(literal, name, example)
            }
            Ok(duration) => return Ok(Self::Constant(duration)),
            Err(UnknownUnit { unit, .. }) if unit.is_empty() => {
                errors::no_unit(literal, name, text)
            }
            Err(UnknownUnit { unit, .. }) => errors::unknown_unit(literal, unit, example),
            Err(NumberOverflow) => errors::overflow(literal, name, example),
            Err(_) => errors::unreadable_duration(literal, name, example),
        })
    }
}

fn not_a_duration(option: &OptionName, literal: &Lit) -> Error {
    let OptionName { name, example, .. } = option;
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
    let OptionName { name, example, .. } = option;
    match *name {
        "wait" => errors::endless_wait(at),
        "linger" => errors::endless_linger(at),
        _ => errors::endless(at, name, example),
    }
}

/// How many replicas confirm: known at compile time, or computed by each call of the function.
pub(crate) enum ReplicasArg {
    Count(u8),
    All,
    Computed(Box<Expr>),
}

impl ReplicasArg {
    fn parse(option: &OptionName, input: ParseStream<'_>) -> Result<Self> {
        let refused = |at: &dyn ToTokens| Err(errors::not_replicas(&at.to_token_stream()));
        match option.expr(input)? {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if text.value().trim() == "all" => {
                Ok(Self::All)
            }
            Expr::Lit(ExprLit { lit: Lit::Int(count), .. }) if count.suffix().is_empty() => {
                count.base10_parse().map(Self::Count).or_else(|_| refused(&count))
            }
            expr @ (Expr::Lit(_) | Expr::Unary(ExprUnary { op: UnOp::Neg(_), .. })) => {
                refused(&expr)
            }
            // A word without quotes is a variable, unless it is meant for the text.
            Expr::Path(path) if path.path.is_ident("all") => refused(&path),
            computed => Ok(Self::Computed(Box::new(computed))),
        }
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
        if matches!(&handler, Expr::Path(path) if path.path.is_ident("panic")) {
            return Ok(Self::Panic);
        }
        check_closure(option.name, &handler)?;
        match handler_for(&handler) {
            Some(meant) => Err(errors::not_a_handler(&handler, meant)),
            None => Ok(Self::Handle(Box::new(handler))),
        }
    }
}

/// What becomes of a call that finds the lock held.
pub(crate) enum IfBusy {
    Skip,
    Handle(Box<Expr>),
}

impl IfBusy {
    fn parse(option: &OptionName, input: ParseStream<'_>) -> Result<Self> {
        let handler = option.expr(input)?;
        if matches!(&handler, Expr::Path(path) if path.path.is_ident("skip")) {
            return Ok(Self::Skip);
        }
        check_closure(option.name, &handler)?;
        let meant = match &handler {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if text.value() == "skip" => {
                "if_busy = |busy| expr".to_owned()
            }
            Expr::Return(_) | Expr::Break(_) | Expr::Continue(_) => {
                "if_busy = |busy| expr".to_owned()
            }
            value if is_value(value) || is_error(value) => {
                format!("if_busy = |_| {}", display(value))
            }
            _ => return Ok(Self::Handle(Box::new(handler))),
        };
        Err(errors::not_a_busy_handler(&handler, meant))
    }
}

// A closure that is called with an error.
fn check_closure(name: &str, handler: &Expr) -> Result<()> {
    let Expr::Closure(closure) = handler else { return Ok(()) };
    let ExprClosure { inputs, inputs_begin, .. } = closure;
    if is_async(closure) {
        let example = if name == "if_busy" { "|busy| expr" } else { "|err| Err(err.into())" };
        return Err(errors::async_handler(closure, name, example));
    }
    let (at, given) = match (inputs.len(), inputs.first()) {
        (1, _) => return Ok(()),
        (_, None) => (inputs_begin.span(), "no argument"),
        (_, Some(first)) => (first.span(), "more than one argument"),
    };
    Err(errors::handler_arguments(at, name, given))
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
        value if is_error(value) => "on_error = |err| Err(err.into())",
        value if is_value(value) => return Some(format!("on_error = |_| {}", display(value))),
        _ => return None,
    };
    Some(handler.to_owned())
}

// `Err(…)`
fn is_error(expr: &Expr) -> bool {
    matches!(expr, Expr::Call(call) if last_segment(&call.func) == "Err")
}

fn is_value(expr: &Expr) -> bool {
    match expr {
        Expr::Path(_) => is_constant(&last_segment(expr)),
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

// `None`, or as constants are written: `StatusCode::CONFLICT`.
fn is_constant(name: &str) -> bool {
    let is_upper = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    name == "None" || name.len() > 1 && name.chars().all(is_upper)
}

fn last_segment(expr: &Expr) -> String {
    let Expr::Path(path) = expr else { return String::new() };
    path.path.segments.last().map_or_else(String::new, |last| last.ident.to_string())
}

/// What the keys begin with.
pub(crate) enum Prefix {
    /// As a key, with names in scope.
    Pattern(KeyPattern),
    Computed(Box<Expr>),
}

impl Prefix {
    fn parse(option: &OptionName, input: ParseStream<'_>) -> Result<Self> {
        match option.expr(input)? {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
                let pattern = KeyPattern::of(text);
                if pattern.placeholders.positional > 0 {
                    return Err(errors::prefix_placeholder(&pattern.literal));
                }
                Ok(Self::Pattern(pattern))
            }
            Expr::Lit(other) => Err(errors::not_a_prefix(&other, option.example)),
            computed => Ok(Self::Computed(Box::new(computed))),
        }
    }

    /// The prefix as it was written.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Pattern(pattern) => pattern.text(),
            Self::Computed(expr) => format!("{{{}}}", display(expr)),
        }
    }

    pub(crate) fn mentions(&self, name: &Ident) -> bool {
        match self {
            Self::Pattern(pattern) => pattern.placeholders.mention(name),
            Self::Computed(expr) => find_ident(expr.to_token_stream(), &name.to_string()).is_some(),
        }
    }
}

/// What `hold = …` binds in the body: the hold of the key, or of the last in order; or in brackets
/// a hold for each key of a list.
pub(crate) struct HoldBinding {
    /// A name, or names in brackets.
    pub(crate) pattern: TokenTree,
    /// How many names are in the brackets.
    pub(crate) listed: Option<usize>,
}

impl HoldBinding {
    fn parse(option: &OptionName, input: ParseStream<'_>) -> Result<Self> {
        let pattern = input.fork();
        if !input.peek(Bracket) {
            option.name(input)?;
            return Ok(Self { pattern: pattern.parse()?, listed: None });
        }
        let list;
        bracketed!(list in input);
        let mut names = 0;
        while !list.is_empty() {
            if list.parse::<Option<Token![_]>>()?.is_none() {
                option.name(&list)?;
            }
            if !list.is_empty() {
                comma(&list)?;
            }
            names += 1;
        }
        Ok(Self { pattern: pattern.parse()?, listed: Some(names) })
    }

    // As many names as there are keys.
    fn check(&self, keys: &KeySpec) -> Result<()> {
        let (at, number_of_keys) = (self.pattern.span(), keys.patterns.len());
        match self.listed {
            Some(_) if matches!(keys.value, Some(KeyValue::List(_))) => {
                Err(errors::holds_of_values(at))
            }
            Some(_) if !keys.is_list => Err(errors::holds_of_one_key(at)),
            Some(names) if names != number_of_keys => {
                let (keys, holds) = (counted(number_of_keys, "key"), counted(names, "hold"));
                Err(errors::number_of_holds(at, keys, holds))
            }
            _ => Ok(()),
        }
    }
}

fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}
