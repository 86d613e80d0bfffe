use syn::Ident;
use syn::ext::IdentExt as _;

/// A reserved word of the attribute, with the use that messages show.
pub(crate) struct Word {
    pub(crate) name: &'static str,
    pub(crate) example: &'static str,
}

pub(crate) const OPTIONS: [Word; 11] = [
    word("ttl", "ttl = \"30s\""),
    word("wait", "wait = \"5s\""),
    word("max_hold", "max_hold = \"5m\""),
    word("renew", "renew = false"),
    word("release", "release = confirmed"),
    word("if_busy", "if_busy = skip"),
    word("on_error", "on_error = panic"),
    word("on_lost", "on_lost = finish"),
    word("hold", "hold = hold"),
    word("manager", "manager = self.locks"),
    word("crate", "crate = my_crate::distlock"),
];

const LATER: [&str; 3] = ["min_hold", "linger", "fairness"];

const fn word(name: &'static str, example: &'static str) -> Word {
    Word { name, example }
}

pub(crate) fn option(ident: &Ident) -> Option<&'static Word> {
    OPTIONS.iter().find(|word| ident == word.name)
}

pub(crate) fn is_reserved(ident: &Ident) -> bool {
    option(ident).is_some() || is_later(ident)
}

pub(crate) fn is_later(ident: &Ident) -> bool {
    LATER.iter().any(|name| ident == name)
}

pub(crate) fn unknown(ident: &Ident) -> syn::Error {
    let known: Vec<String> = OPTIONS.iter().map(|word| format!("`{}`", word.name)).collect();
    let hint = nearest(&ident.unraw().to_string())
        .map(|name| format!("; did you mean `{name}`?"))
        .unwrap_or_default();
    let known = known.join(", ");
    syn::Error::new(
        ident.span(),
        format!("unknown option `{ident}`{hint}\nthe options are {known}"),
    )
}

fn nearest(name: &str) -> Option<&'static str> {
    let ranked = OPTIONS.iter().map(|word| (distance(name, word.name), word.name));
    let (distance, nearest) = ranked.min()?;
    (distance * 2 < name.len().max(4)).then_some(nearest)
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
