//! Text for people: durations, and foreign text made printable (keys, names of functions and hosts,
//! server errors).

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::iter::successors;
use std::time::Duration;

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

/// As [`words`], of an error and of what has caused it: many errors do not name their cause.
pub(crate) fn words_with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in successors(error.source(), |&cause| cause.source()).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    words(&text)
}

/// Shown in the two units that matter: `400ms`, `1.5s`, `2m 5s`, `3h 20m`, `30d`.
pub(crate) struct HumanDuration(pub(crate) Duration);

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secs, millis) = (self.0.as_secs(), self.0.subsec_millis());
        match secs {
            0 if millis == 0 && !self.0.is_zero() => f.write_str("less than 1ms"),
            0 if self.0.is_zero() => f.write_str("0s"),
            0 => write!(f, "{millis}ms"),
            1..60 if millis >= 100 => write!(f, "{secs}.{}s", millis / 100),
            1..60 => write!(f, "{secs}s"),
            60..3600 => pair(f, secs / 60, "m", secs % 60, "s"),
            3600..86_400 => pair(f, secs / 3600, "h", secs % 3600 / 60, "m"),
            _ => pair(f, secs / 86_400, "d", secs % 86_400 / 3600, "h"),
        }
    }
}

fn pair(f: &mut fmt::Formatter<'_>, large: u64, unit: &str, small: u64, part: &str) -> fmt::Result {
    write!(f, "{large}{unit}")?;
    if small > 0 { write!(f, " {small}{part}") } else { Ok(()) }
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
            out.extend(c.escape_default());
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

/// The digits of a number, and what stands around them. `format!` takes several times as long.
pub(crate) struct Decimal {
    /// Twenty digits, a prefix and a suffix.
    text: [u8; 24],
    start: usize,
}

impl Decimal {
    /// A number, with at most two bytes after it.
    pub(crate) fn new(mut number: u64, suffix: &str) -> Self {
        let mut all = Self { text: [b'0'; 24], start: 24 - suffix.len() };
        all.text[all.start..].copy_from_slice(suffix.as_bytes());
        loop {
            all.start -= 1;
            all.text[all.start] = b"0123456789"[(number % 10) as usize];
            number /= 10;
            if number == 0 {
                return all;
            }
        }
    }

    /// With this before it; once.
    pub(crate) const fn prefixed(mut self, byte: u8) -> Self {
        self.start -= 1;
        self.text[self.start] = byte;
        self
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.text[self.start..]
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(self.bytes()).unwrap_or_default()
    }
}
