use syn::Ident;
use syn::ext::IdentExt as _;

use crate::synonyms::Hint;

/// A reserved word of the attribute, with the use that messages show.
pub(crate) struct Word {
    pub(crate) name: &'static str,
    pub(crate) example: &'static str,
}

pub(crate) const OPTIONS: [Word; 14] = [
    word("ttl", "ttl = \"30s\""),
    word("wait", "wait = \"5s\""),
    word("max_hold", "max_hold = \"5m\""),
    word("linger", "linger = \"50ms\""),
    word("renew", "renew = false"),
    word("reenter", "reenter = false"),
    word("release", "release = confirmed"),
    word("fairness", "fairness = strict"),
    word("if_busy", "if_busy = skip"),
    word("on_error", "on_error = panic"),
    word("on_lost", "on_lost = finish"),
    word("hold", "hold = hold"),
    word("manager", "manager = self.locks"),
    word("crate", "crate = my_crate::distlock"),
];

const LATER: [&str; 1] = ["min_hold"];

const fn word(name: &'static str, example: &'static str) -> Word {
    Word { name, example }
}

pub(crate) fn option(ident: &Ident) -> Option<&'static Word> {
    named(&ident.to_string())
}

pub(crate) fn is_reserved(ident: &Ident) -> bool {
    option(ident).is_some() || is_later(ident)
}

pub(crate) fn is_later(ident: &Ident) -> bool {
    LATER.iter().any(|name| ident == name)
}

/// Whether it is an option, or was meant to be one.
pub(crate) fn is_option_like(ident: &Ident) -> bool {
    let hint = || Hint::of(&ident.to_string());
    is_reserved(ident) || matches!(hint(), Some(Hint::Option(_) | Hint::Advice(_)))
}

/// What stands after a word that is no option.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// `ident = "…"`
    Text,
    /// `ident = |…| …`
    Closure,
    /// `ident(…)`
    Parentheses,
    Other,
}

pub(crate) fn unknown(ident: &Ident, after: After) -> syn::Error {
    let message = match Hint::of(&ident.unraw().to_string()) {
        Some(Hint::Option(Word { name: "if_busy", .. })) if after == After::Closure => {
            format!(
                "unknown option `{ident}`; did you mean `on_error`? write for example `on_error = |err| Err(err.into())`"
            )
        }
        _ if ident == "skip" && after == After::Parentheses => format!(
            "unknown option `{ident}`: the arguments are not recorded, so there is nothing to skip: remove it"
        ),
        Some(Hint::Option(Word { name, example })) => {
            format!(
                "unknown option `{ident}`; did you mean `{name}`? write for example `{example}`"
            )
        }
        Some(Hint::Advice(advice)) => format!("unknown option `{ident}`: {advice}"),
        Some(Hint::Key) if after == After::Text => {
            format!("the key stands first and has no name: write it there, without `{ident} =`")
        }
        _ => format!(
            "unknown option `{ident}`: an argument of the key has its place in the key, as `{{{ident}}}`\n\
             the options are {}",
            list()
        ),
    };
    syn::Error::new(ident.span(), message)
}

fn list() -> String {
    OPTIONS.map(|word| format!("`{}`", word.name)).join(", ")
}

pub(crate) fn named(name: &str) -> Option<&'static Word> {
    OPTIONS.iter().find(|word| word.name == name)
}

/// The option that `name` is a misspelling of.
pub(crate) fn nearest(name: &str) -> Option<&'static Word> {
    let nearest = OPTIONS.iter().min_by_key(|word| distance(name, word.name))?;
    (distance(name, nearest.name) * 2 < name.len().max(4)).then_some(nearest)
}

fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (done, from) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], done + 1);
        for (column, to) in right.iter().enumerate() {
            let replace = diagonal + usize::from(from != *to);
            diagonal = row[column + 1];
            row[column + 1] = replace.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}
