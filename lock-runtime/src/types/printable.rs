//! Makes foreign text printable: keys, names of functions and hosts, server errors.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Longer keys are shortened.
const LONGEST_KEY: usize = 200;
/// Redis cuts its own errors at some hundred bytes.
const LONGEST_WORDS: usize = 1000;

/// A key or name for messages: control characters are escaped, and a long one is shortened in the
/// middle. Short plain text is borrowed.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    within(text, LONGEST_KEY)
}

/// The text of a server or another library, on one line and without a full stop, to become part of
/// a sentence.
pub(crate) fn words(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    within(line.trim_end_matches('.'), LONGEST_WORDS).into_owned()
}

fn within(text: &str, longest: usize) -> Cow<'_, str> {
    if text.len() <= longest && !text.contains(is_unprintable) {
        return Cow::Borrowed(text);
    }
    if text.len() <= longest {
        return Cow::Owned(escaped(text));
    }
    let part = longest * 2 / 5;
    let is_boundary = |at: &usize| text.is_char_boundary(*at);
    let head = (0..=part).rfind(is_boundary).unwrap_or(0);
    let tail = (text.len() - part..text.len()).find(is_boundary).unwrap_or(text.len());
    let (head, tail) = (escaped(&text[..head]), escaped(&text[tail..]));
    Cow::Owned(format!("{head}…({} bytes)…{tail}", text.len()))
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unprintable(c) {
            // A string takes all that is written to it.
            let _ = write!(out, "{}", c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether a terminal or log viewer would interpret it: control characters, line separators and
/// text direction marks.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests;
