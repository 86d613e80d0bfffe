use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};

/// Tokens as a person writes them, for messages: spaces only where two words meet.
pub(crate) fn compact(tokens: &TokenStream) -> String {
    let mut text = String::new();
    for tree in tokens.clone() {
        let piece = match &tree {
            TokenTree::Group(group) => {
                let (open, close) = delimiters(group.delimiter());
                format!("{open}{}{close}", compact(&group.stream()))
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

const fn delimiters(delimiter: Delimiter) -> (&'static str, &'static str) {
    match delimiter {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::None => ("", ""),
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The first name in the tokens that is wanted.
pub(crate) fn find(tokens: TokenStream, wanted: &dyn Fn(&Ident) -> bool) -> Option<Ident> {
    tokens.into_iter().find_map(|tree| match tree {
        TokenTree::Ident(word) if wanted(&word) => Some(word),
        TokenTree::Group(group) => find(group.stream(), wanted),
        _ => None,
    })
}
