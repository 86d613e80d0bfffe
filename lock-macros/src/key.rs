use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::parse::{Parse as _, ParseStream};
use syn::punctuated::Punctuated;
use syn::token::Bracket;
use syn::{Error, Expr, ExprLit, Ident, Lit, LitStr, Result, Token, bracketed};

use crate::errors::{self, display};
use crate::{args, suggestions};

#[cfg(test)]
mod tests;

/// What is locked: one key, or all keys of a list together.
pub(crate) struct KeySpec {
    /// The literals; none if the keys are a value.
    pub(crate) patterns: Vec<KeyPattern>,
    pub(crate) is_list: bool,
    pub(crate) args: Vec<KeyArg>,
    pub(crate) value: Option<KeyValue>,
}

/// A key, or a list of keys, that an expression makes.
pub(crate) enum KeyValue {
    /// `key = expr`
    Single(Expr),
    /// `keys = expr`
    List(Expr),
}

impl KeyValue {
    pub(crate) const fn expr(&self) -> &Expr {
        match self {
            Self::Single(expr) | Self::List(expr) => expr,
        }
    }
}

/// An argument for a placeholder.
pub(crate) struct KeyArg {
    pub(crate) name: Option<Ident>,
    pub(crate) value: Expr,
}

impl KeySpec {
    pub(crate) fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.is_empty() {
            return Err(errors::no_key(input.span()));
        }
        let is_list = input.peek(Bracket);
        let (mut patterns, mut value) = (Vec::new(), None);
        if is_list {
            patterns = parse_list(input)?;
        } else if input.peek(Lit) {
            patterns.push(KeyPattern::parse(input)?);
        } else if input.peek(Ident::peek_any) && input.peek2(Token![=]) {
            value = Some(parse_value(&input.call(Ident::parse_any)?, input)?);
        } else {
            return Err(not_a_literal(input, false));
        }
        Ok(Self { patterns, is_list, args: Vec::new(), value })
    }

    /// The keys as they were written.
    pub(crate) fn texts(&self) -> Vec<String> {
        match &self.value {
            Some(value) => vec![format!("{{{}}}", display(value.expr()))],
            None => self.patterns.iter().map(KeyPattern::text).collect(),
        }
    }

    /// Whether a placeholder mentions the name.
    pub(crate) fn mentions(&self, name: &Ident) -> bool {
        self.patterns.iter().any(|pattern| pattern.placeholders.mention(name))
    }

    /// Whether each placeholder without a name has its argument.
    pub(crate) fn is_full(&self) -> bool {
        let given = self.args.iter().filter(|arg| arg.name.is_none()).count();
        self.is_list
            || self.patterns.iter().all(|KeyPattern { placeholders, .. }| {
                placeholders.are_certain && given >= placeholders.positional
            })
    }

    pub(crate) fn push_named(&mut self, name: Ident, value: Expr) -> Result<()> {
        let is_same = |arg: &KeyArg| arg.name.as_ref().is_some_and(|n| n.unraw() == name.unraw());
        // `format_args!` would report it too, but several times: once for each key of the list.
        if self.is_list && self.args.iter().any(is_same) {
            return Err(errors::repeated(name.span(), name));
        }
        self.args.push(KeyArg { name: Some(name), value });
        Ok(())
    }

    /// An argument without a name, before the options or among them.
    pub(crate) fn push_positional(&mut self, value: Expr, among_options: bool) -> Result<()> {
        let text = as_text(&value);
        let error = if self.value.is_some() {
            errors::argument_of_value(&value)
        } else if self.is_list && (text.is_some() || matches!(value, Expr::Array(_))) {
            errors::second_list(&value)
        } else if self.is_list {
            errors::unnamed_argument(&value)
        } else if let Some(second) = text.filter(|_| self.args.is_empty() && self.is_full()) {
            let keys = format!("{}, {}", self.patterns[0].literal.token(), second.token());
            errors::keys_without_brackets(&value, keys)
        } else if self.is_full() && (among_options || is_name(&value)) {
            errors::no_placeholder(&value)
        } else if among_options {
            errors::argument_after_options(&value)
        } else {
            self.args.push(KeyArg { name: None, value });
            return Ok(());
        };
        Err(error)
    }
}

fn parse_list(input: ParseStream<'_>) -> Result<Vec<KeyPattern>> {
    let list;
    let brackets = bracketed!(list in input);
    let mut patterns = Vec::<KeyPattern>::new();
    while !list.is_empty() {
        if list.peek(Bracket) {
            return Err(errors::nested_list(errors::next_token(&list)));
        } else if !list.peek(Lit) {
            return Err(not_a_literal(&list, true));
        }
        let pattern = KeyPattern::parse(&list)?;
        if pattern.placeholders.positional > 0 {
            return Err(errors::unnamed_placeholder(&pattern.literal));
        } else if patterns.iter().any(|earlier| earlier.text() == pattern.text()) {
            return Err(errors::repeated_key(&pattern.literal));
        } else if list.peek(Token![.]) {
            return Err(errors::element_with_suffix(errors::next_token(&list)));
        } else if !list.is_empty() {
            args::comma(&list)?;
        }
        patterns.push(pattern);
    }
    if patterns.is_empty() {
        return Err(errors::empty_list(brackets.span.join()));
    }
    Ok(patterns)
}

/// The literal of a key, as the user wrote it.
pub(crate) struct KeyPattern {
    pub(crate) literal: LitStr,
    pub(crate) placeholders: Placeholders,
}

impl KeyPattern {
    /// A literal that may be empty.
    pub(crate) fn of(literal: LitStr) -> Self {
        let placeholders = Placeholders::parse(&literal.value());
        Self { literal, placeholders }
    }

    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let literal = match input.parse()? {
            Lit::Str(text) if text.value().is_empty() => return Err(errors::empty_key(&text)),
            Lit::Str(text) => text,
            other => as_meant(&other).ok_or_else(|| errors::not_text(&other))?,
        };
        Ok(Self::of(literal))
    }

    pub(crate) fn text(&self) -> String {
        self.literal.value()
    }
}

// The compiler has reported 'account' before it calls the attribute; a second error would say
// nothing new, so it passes as the string that was meant.
fn as_meant(literal: &Lit) -> Option<LitStr> {
    let token = literal.to_token_stream().to_string();
    let text = token.strip_prefix('\'')?.strip_suffix('\'')?;
    let is_char = text.chars().count() == 1 || text.starts_with('\\');
    (!is_char).then(|| LitStr::new(text, literal.span()))
}

/// What a format string refers to. The compiler checks the string itself; here it only serves to
/// tell the arguments of the key from the options.
#[derive(Default)]
pub(crate) struct Placeholders {
    names: Vec<String>,
    /// How many arguments without a name it takes.
    pub(crate) positional: usize,
    /// How many of them by `{}`, each of which takes the next.
    implicit: usize,
    /// Whether every brace was understood; one may also be a fill, as in `{:{>9}`.
    pub(crate) are_certain: bool,
}

impl Placeholders {
    pub(crate) fn parse(format: &str) -> Self {
        let text = format.replace("{{", "").replace("}}", "");
        let found: Vec<_> =
            text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).collect();
        let are_certain =
            ['{', '}'].iter().all(|brace| text.matches(*brace).count() == found.len());
        let mut placeholders = Self { are_certain, ..Self::default() };
        for (placeholder, _) in found {
            let (argument, spec) = placeholder.split_once(':').unwrap_or((placeholder, ""));
            placeholders.add(argument.trim());
            placeholders.add_from_spec(spec);
        }
        placeholders
    }

    pub(crate) fn mention(&self, name: &Ident) -> bool {
        self.names.contains(&name.unraw().to_string())
    }

    fn add(&mut self, argument: &str) {
        match argument.parse::<usize>() {
            // To `format!` any sequence of digits is a number, even the highest.
            Ok(index) => self.positional = self.positional.max(index.saturating_add(1)),
            Err(_) if argument.is_empty() => self.add_implicit(),
            Err(_) => self.names.push(argument.to_owned()),
        }
    }

    fn add_implicit(&mut self) {
        self.implicit += 1;
        self.positional = self.positional.max(self.implicit);
    }

    // `{:width$.precision$}` refers to arguments too, and `.*` takes one more.
    fn add_from_spec(&mut self, spec: &str) {
        if spec.contains(".*") {
            self.add_implicit();
        }
        for before in spec.split('$').rev().skip(1) {
            let count = before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next();
            let count = count.unwrap_or_default();
            // A leading zero pads with zeros and is not part of the name: `{:0width$}`.
            let is_index = count.parse::<usize>().is_ok();
            self.add(if is_index { count } else { count.trim_start_matches('0') });
        }
    }
}

// `key = order.lock_key()`, `keys = ids.iter()`, or something else where the key should be.
fn parse_value(name: &Ident, input: ParseStream<'_>) -> Result<KeyValue> {
    input.parse::<Token![=]>()?;
    let (is_list, ahead) = (name == "keys", input.fork());
    if let Ok(key) = ahead.parse::<LitStr>() {
        return Err(if suggestions::is_option_like(name) {
            errors::not_first(name)
        } else {
            errors::named_key(name, key.token(), name)
        });
    }
    let example = if is_list { "keys = ids.iter()" } else { "key = order.lock_key()" };
    if suggestions::is_option_like(name) {
        return Err(errors::not_first(name));
    } else if args::is_at_end(input) {
        return Err(errors::no_value(name, name, example));
    }
    let expr: Expr = input.parse()?;
    match &expr {
        Expr::Array(list) if list.elems.iter().all(|key| as_text(key).is_some()) => {
            Err(errors::named_list(name, name))
        }
        Expr::Lit(_) => Err(errors::not_text(&expr)),
        _ if name == "key" => Ok(KeyValue::Single(expr)),
        _ if is_list => Ok(KeyValue::List(expr)),
        _ if suggestions::is_key(name) => Err(errors::value_as_key(name, name, display(&expr))),
        _ => Err(errors::not_first(name)),
    }
}

// A key that does not begin with a literal: the error shows the same key written with one.
fn not_a_literal(input: ParseStream<'_>, in_list: bool) -> Error {
    let ahead = input.fork();
    let key = Expr::parse(&ahead).ok().filter(|_| args::is_at_end(&ahead));
    let Some(key) = key else {
        return errors::unquoted_key(input.span(), text_until_comma(input));
    };
    if !in_list && let Some(keys) = texts(&key) {
        return errors::keys_without_brackets(&key, display(keys));
    }
    match &key {
        Expr::Macro(mac) if mac.mac.path.is_ident("format") => {
            let text = match mac.mac.parse_body::<LitStr>() {
                Err(_) if in_list => {
                    "for example `\"account:{id}\"` and, after the list, `id = self.id`".to_owned()
                }
                _ => format!("`{}`", display(&mac.mac.tokens)),
            };
            errors::formatted_key(&key, text)
        }
        Expr::Path(path) if path.path.get_ident().is_some() => {
            errors::variable_as_key(&key, display(path))
        }
        Expr::Reference(reference) => expression_as_key(&key, &reference.expr, in_list),
        expr => expression_as_key(&key, expr, in_list),
    }
}

fn expression_as_key(key: &Expr, expr: &Expr, in_list: bool) -> Error {
    const ITERATORS: &str = "chain cloned copied filter filter_map flat_map into_iter iter keys \
                             map rev skip take values zip";
    match expr {
        _ if in_list => errors::expression_in_list(key, display(expr)),
        Expr::MethodCall(call) if ITERATORS.split(' ').any(|name| call.method == name) => {
            // An iterator has no text of its own.
            let texts = if call.method == "map" { "" } else { ".map(|item| item.to_string())" };
            errors::iterator_as_key(key, display(call), texts)
        }
        _ => errors::expression_as_key(key, display(expr)),
    }
}

// `account:{id}`
fn text_until_comma(input: ParseStream<'_>) -> String {
    let mut text = TokenStream::new();
    let rest = input.fork();
    while !args::is_at_end(&rest)
        && let Ok(tree) = rest.parse::<TokenTree>()
    {
        text.extend([tree]);
    }
    display(&text)
}

// `("from", "to")`, `&["from", "to"]`
fn texts(key: &Expr) -> Option<&Punctuated<Expr, Token![,]>> {
    let keys = match key {
        Expr::Tuple(tuple) => &tuple.elems,
        Expr::Array(array) => &array.elems,
        Expr::Reference(reference) => return texts(&reference.expr),
        _ => return None,
    };
    (!keys.is_empty() && keys.iter().all(|key| as_text(key).is_some())).then_some(keys)
}

fn as_text(expr: &Expr) -> Option<&LitStr> {
    match expr {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text),
        _ => None,
    }
}

// A name that nothing else knows would be reported twice by the compiler: as unused and as unknown.
fn is_name(value: &Expr) -> bool {
    match value {
        Expr::Path(_) => true,
        Expr::Call(call) => matches!(*call.func, Expr::Path(_)),
        _ => false,
    }
}
