//! The compile errors: their texts, and the output of an attribute that cannot be used.

use std::fmt::Display;

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::ParseStream;
use syn::{Error, LitStr};

use crate::function::Function;
use crate::key::Placeholders;

/// What an error underlines: a span, or tokens from the first to the last.
pub(crate) trait Location {
    fn error(self, message: String) -> Error;
}

impl Location for Span {
    fn error(self, message: String) -> Error {
        Error::new(self, message)
    }
}

impl<T: ToTokens> Location for &T {
    fn error(self, message: String) -> Error {
        Error::new_spanned(self, message)
    }
}

/// The next token; of a group only the opening delimiter.
pub(crate) fn next_token(input: ParseStream<'_>) -> Span {
    input.error("").span()
}

// Each error is a function of its location and of what its text mentions.
macro_rules! errors {
    ($($name:ident($($part:ident),*) = $text:literal;)*) => {$(
        pub(crate) fn $name(at: impl Location, $($part: impl Display),*) -> Error {
            at.error(format!($text))
        }
    )*};
}

errors! {
    // The key.
    no_key() = "the lock needs a key: write `#[distributed_lock(\"account:{{id}}\")]`";
    empty_key() = "the key is empty: write what is locked, for example \"account:{{id}}\"";
    not_text() = "the key is text: write a string literal, for example \"account:{{id}}\"";
    not_first() = "the key comes first: write `\"account:{{id}}\", ` before the options";
    named_key(key, name) = "the key has no name: write `{key}` without `{name} =`";
    named_list(name) = "the list of keys has no name: write it without `{name} =`";
    unquoted_key(text) = "the key is a string literal: write `\"{text}\"` in quotes";
    expression_as_key(expr) = "the key is a string literal: write `\"{{}}\", {expr}`, or `key = \
        {expr}` for a key that is a value";
    value_as_key(name, expr) = "`{name}` is not an option: write `key = {expr}` for a key that is \
        a value";
    argument_of_value() = "a key that is a value is the whole key: remove this, or write the key \
        as a string literal with a `{{}}` for each value";
    second_key(name) = "the attribute has its key already: remove this, or write `{{{name}}}` in \
        the key if it belongs there";
    variable_as_key(name) = "the key is a string literal: write `\"{{{name}}}\"` for the value of \
        `{name}`, or `\"{name}\"` for the text";
    iterator_as_key(items, texts) = "the key is a string literal: write `\"{{}}\", \
        {items}{texts}.collect::<Vec<_>>().join(\",\")` for one key of all of them, or `keys = \
        {items}` for a key each";
    formatted_key(text) = "the key is formatted by the attribute itself: write {text} without \
        `format!`";
    key_with_suffix() = "the key is the string literal alone: remove what follows it";
    list_with_suffix() = "the keys are the list alone: remove what follows it";
    element_with_suffix() = "a key is the string literal alone: remove what follows it";
    two_literals() = "the key is one string literal: join the two";
    keys_without_brackets(keys) = "keys that are taken together stand in brackets: write \
        `[{keys}]`";
    empty_list() = "the list has no keys: write what is locked, for example \
        `[\"account:{{from}}\", \"account:{{to}}\"]`";
    nested_list() = "a list of keys has no lists in it: remove these brackets";
    second_list() = "one list holds all the keys: move this into its brackets";
    repeated_key() = "this key stands twice: remove one";
    expression_in_list(expr) = "a key in a list is a string literal: write for example \
        `\"{{name}}\"`, and `name = {expr}` after the list";
    unnamed_placeholder() = "in a list of keys an argument has a name: write for example `{{id}}` \
        in place of `{{}}`, and `id = self.id` after the list if it is not a variable";
    unnamed_argument() = "after a list of keys an argument has a name: name the argument, for \
        example `id = self.id`, and write `{{id}}` in the keys that take it";
    no_placeholder() = "the key has no `{{}}` for this argument: add one to the key, or remove the \
        argument";
    argument_after_options() = "the arguments of the key stand directly after the key: move this \
        before the options";
    argument_with_sigil(name, format) = "an argument of the key is a plain expression, and its \
        format stands in the key: write `{{{name}{format}}}` there and `{name} = {name}` here";
    option_in_key(name) = "`{name}` is an option, and the key cannot name its value: write `{{}}` \
        there, and the value directly after the key";
    option_in_list(name) = "`{name}` is an option, and the key cannot name its value: write \
        another name there, and `other_{name} = …` after the list";

    // Commas and options.
    two_commas() = "one comma is enough: remove this one";
    semicolon() = "write `,` in place of `;`";
    missing_comma() = "a comma is missing: write `,` before this";
    repeated(name) = "`{name}` is given twice: remove one of them";
    no_equals(name, example) = "`{name}` takes its value after `=`: write for example `{example}`";
    no_value(name, example) = "`{name}` needs a value: write for example `{example}`";
    unfinished_value(name, example) = "the value of `{name}` is unfinished: write for example \
        `{example}`";
    not_a_switch(name, default) = "`{name}` is `true` or `false`: write `{name} = false`, or leave \
        it out {default}";
    not_the_choice(name, choice, example) = "`{name}` can only be `{choice}`: write `{example}`, \
        or leave it out";
    not_a_busy_handler(handler) = "`if_busy` takes `skip`, or what to return while the lock is \
        held, as a closure: write `if_busy = skip` or `{handler}`";
    not_a_prefix(example) = "`prefix` is text: write for example `{example}`, or an expression \
        without quotes";
    prefix_placeholder() = "`prefix` has no arguments of its own: write a name for each `{{}}`, \
        for example `prefix = \"{{tenant}}:\"`, or an expression without quotes";
    not_a_name(name, example) = "`{name}` takes the name to bind in the body: write `{example}`";
    not_a_path(name, hint, example) = "`{name}` takes a path{hint}: write `{example}`";
    url_as_manager(url, example) = "`manager` takes a `LockManager`: make one once with \
        `LockManager::connect({url})` and name it here, for example `{example}`";
    linger_with_fairness() = "`linger` keeps the lock for this process, `fairness = strict` gives \
        it to the call that asked first: remove one of them";
    linger_with_min_hold() = "`linger` keeps the lock for this process, `min_hold` keeps it from \
        everybody: remove one of them";
    max_hold_below_min_hold() = "`max_hold` is shorter than `min_hold`, and a hold cannot end \
        before its key may be taken again: raise it, or shorten `min_hold`";
    holds_of_one_key() = "names in brackets go with a list of keys: write `hold = name`";
    holds_of_values() = "only the call knows how many keys there are: write `hold = name`, and \
        `name.for_key(…)` in the body";
    number_of_holds(keys, holds) = "the list has {keys}, and this binds {holds}: write a name for \
        each key in the order of the list, and `_` for one that is not needed";

    // Durations.
    not_a_duration(name, example) = "`{name}` is a string with a unit, or an expression of type \
        `Duration`: write `{example}`";
    unreadable_duration(name, example) = "`{name}` is not a length of time: write numbers with \
        units, `{example}`, \"250ms\" or \"1m 30s\"";
    no_unit(name, value) = "`{name}` has no unit: write `{name} = \"{value}s\"` for seconds, \
        \"{value}ms\" for milliseconds";
    unknown_unit(unit, example) = "`{unit}` is not a unit of time: write ms, s, m, h or d, for \
        example `{example}`";
    overflow(name, example) = "`{name}` is too long or too exact: write for example `{example}`";
    zero(name, example) = "`{name}` must be longer than zero: write for example `{example}`";
    endless_wait() = "`wait` is a length of time: leave it out to wait as long as it takes, or \
        write `wait = \"0s\"` to try once";
    endless_linger() = "`linger` is a length of time: leave it out to give the lock up at once, or \
        write for example `linger = \"50ms\"`";
    endless(name, example) = "`{name}` is a length of time: leave it out for the manager's own, or \
        write for example `{example}`";

    // Replicas.
    not_replicas() = "`replicas` is a number of replicas up to 255, or `\"all\"`: write for \
        example `replicas = 1`, or an expression of type `Replicas` or `u8`";

    // The handler of errors.
    not_a_handler(handler) = "`on_error` takes what to do with the error, not a value: write \
        `{handler}`";
    async_handler(name, example) = "`{name}` cannot await: write a plain closure, `{example}`, and \
        await where the function is called";
    handler_arguments(name, given) = "`{name}` calls the closure with the error, and this one \
        takes {given}: write `|err| expr`, or `|_| expr` to leave it aside";

    // The defaults of `#[distributed_locks]`.
    no_defaults() = "`#[distributed_locks]` needs an option to set for the functions inside: write \
        for example `#[distributed_locks(prefix = \"shop:\", wait = \"2s\")]`";
    key_in_defaults() = "`#[distributed_locks]` takes options alone, and each function has its own \
        key: write `prefix = …` for what the keys begin with";
    hold_in_defaults() = "`hold` binds a name in one body: write it on the functions that use it";
    defaults_on_function() = "`#[distributed_locks]` goes with an `impl`, a `trait` or a `mod`: \
        write `#[distributed_lock(…)]` on a function";
    defaults_on_item() = "`#[distributed_locks]` sets options for the functions inside an `impl`, \
        a `trait` or a `mod`: put it there";
    defaults_without_body() = "`#[distributed_locks]` cannot see into another file: put it on the \
        `impl`s in that file, or write the module here with its braces";
    defaults_for_nothing(word) = "no function inside this `{word}` has `#[distributed_lock(…)]`: \
        add it to those that lock, under that name and outside of macros, or remove this";
    default_needs_self(option) = "the default `{option}` of `#[distributed_locks]` needs `self`, \
        which this function does not have: write `{option} = …` in its own \
        `#[distributed_lock(…)]`";

    // Unknown options.
    did_you_mean(unknown, name, example) = "unknown option `{unknown}`; did you mean `{name}`? \
        write for example `{example}`";
    advice(unknown, advice) = "unknown option `{unknown}`: {advice}";
    key_as_option(name) = "the key stands first and has no name: write it there, without `{name} \
        =`";
    unknown_option(unknown, options) = "unknown option `{unknown}`: an argument of the key has its \
        place in the key, as `{{{unknown}}}`\nthe options are {options}";

    // The item.
    not_a_function(advice) = "`#[distributed_lock]` locks a function: {advice}";
    unreadable_signature() = "`#[distributed_lock]` cannot read this signature: finish it up to \
        here, and write trait objects with `dyn`";
    generator() = "a generator cannot be locked, because it runs on after it has returned: lock \
        the function that drains it";
    no_body() = "this function has no body to run under the lock: put `#[distributed_lock]` on the \
        function that implements it";
    const_fn() = "a `const fn` cannot take a lock: remove `const`, or lock the function that calls \
        it";
    track_caller() = "the caller's line is lost inside a locked body: remove `#[track_caller]`, or \
        keep it on a function that calls this one";
    skipped_never() = "a function that never returns cannot be skipped: remove `if_busy = skip`";
    no_room_for_error(ty) = "{ty} has no room for a failure to lock: add `on_error = panic` or \
        `on_error = |err| expr`, or return a `Result`";
    hidden_future() = "this name hides a future from the attribute, and the lock would be released \
        before the future has run: write the type itself, `Pin<Box<dyn Future<Output = T> + \
        Send>>`, or put the attribute on an `async fn` that is called here";
    unpinned_future() = "a locked function cannot return a future in a plain `Box`: write \
        `Pin<Box<dyn Future<Output = T>>>`, `impl Future<Output = T>` or an `async fn`";
    future_outlives(name) = "this future may outlive `{name}`, and under the lock the body runs \
        when the future is polled: put the attribute on an `async fn` that is called here with a \
        copy of what it needs, or end the return type with `+ '_`";
}

/// The error, and the item without the attribute, so that code that uses the item compiles.
pub(crate) fn with_item(error: &Error, args: TokenStream, item: TokenStream) -> TokenStream {
    let error = compile_error(error);
    if is_expression(&item) {
        return error;
    }
    let item = without_attribute(args, item);
    quote!(#error #item)
}

/// A function whose attribute is refused.
pub(crate) fn without_attribute(args: TokenStream, item: TokenStream) -> TokenStream {
    with_uses(args, &item).unwrap_or(item)
}

// In edition 2015 `::core` is a module of the user's crate, unless its colons are of a later
// edition, which makes the compiler add that the error comes from a macro. Only the compiler's
// command line shows the edition. A wrong guess costs no more than that addition.
pub(crate) fn compile_error(error: &Error) -> TokenStream {
    let tokens = error.to_compile_error();
    let is_later = |arg: &str| arg.starts_with("--edition") && arg != "--edition=2015";
    if std::env::args_os().any(|arg| is_later(&arg.to_string_lossy())) {
        return tokens;
    }
    let in_our_edition = |mut tree: TokenTree| {
        if tree.to_string() == ":" {
            tree.set_span(Span::mixed_site().located_at(tree.span()));
        }
        tree
    };
    tokens.into_iter().map(in_our_edition).collect()
}

// After an error in the place of an expression the rest of the expression would be read as an
// operand: `error || body`.
fn is_expression(item: &TokenStream) -> bool {
    let mut trees = item.clone().into_iter();
    match (trees.next(), trees.next()) {
        (Some(TokenTree::Punct(bar)), _) => bar.as_char() == '|',
        (Some(TokenTree::Ident(word)), _) if word == "move" => true,
        (Some(TokenTree::Ident(word)), Some(TokenTree::Group(_))) => {
            word == "async" || word == "unsafe"
        }
        (Some(TokenTree::Group(group)), _) => group.delimiter() != Delimiter::None,
        _ => false,
    }
}

// Without these uses the compiler would also report the name of `hold = name` as unknown, and
// arguments that only the attribute uses as unused. The statements of the body stay in its braces:
// a block of their own would be reported as superfluous.
fn with_uses(args: TokenStream, item: &TokenStream) -> Option<TokenStream> {
    let function = Function::read(item.clone()).ok()?;
    let mut used = function.argument_names();
    used.retain(|name| mentions(&args, name));
    let holds = if function.signature.constness.is_some() { Vec::new() } else { hold_names(args) };
    if used.is_empty() && holds.is_empty() {
        return None;
    }
    let here = Span::mixed_site();
    let used = (!used.is_empty()).then(|| quote_spanned!(here=> let _ = (#(&#used,)*);));
    let holds = quote_spanned!(here=>
        #(let #holds = (|| -> ::distlock::Hold { ::core::unreachable!() })();)*
    );
    let body = function.body.stream();
    Some(function.with_body(&quote!(#used #holds #body)))
}

// Whether an expression or a placeholder of a literal mentions the name.
fn mentions(args: &TokenStream, name: &Ident) -> bool {
    args.clone().into_iter().any(|tree| match tree {
        TokenTree::Ident(word) => word == *name,
        TokenTree::Group(group) => mentions(&group.stream(), name),
        TokenTree::Literal(literal) => syn::parse2::<LitStr>(TokenTree::from(literal).into())
            .is_ok_and(|text| Placeholders::parse(&text.value()).mention(name)),
        TokenTree::Punct(_) => false,
    })
}

// The arguments may be wrong anywhere else, so they are searched, not parsed.
fn hold_names(args: TokenStream) -> Vec<Ident> {
    let trees: Vec<TokenTree> = args.into_iter().collect();
    let is = |tree: &TokenTree, c| matches!(tree, TokenTree::Punct(p) if p.as_char() == c);
    let names = trees.split(|tree| is(tree, ',')).find_map(|arg| match arg {
        [.., TokenTree::Ident(word), equals, names] if word == "hold" && is(equals, '=') => {
            Some(names)
        }
        _ => None,
    });
    let names = match names {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket => group.stream(),
        names => names.cloned().into_iter().collect(),
    };
    names.into_iter().filter_map(|name| syn::parse2(name.into()).ok()).collect()
}

/// Tokens as a person writes them: spaces only after commas and between two words.
pub(crate) fn display(tokens: &impl ToTokens) -> String {
    let mut text = String::new();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    for tree in tokens.to_token_stream() {
        let piece = match &tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                format!("{open}{}{close}", display(&group.stream()))
            }
            TokenTree::Punct(comma) if comma.as_char() == ',' => ", ".to_owned(),
            other => other.to_string(),
        };
        if text.ends_with(is_word) && piece.starts_with(is_word) {
            text.push(' ');
        }
        text.push_str(&piece);
    }
    text
}
