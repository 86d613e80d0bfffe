//! How instants, holders and keys are shown to people.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use distlock::Holder;

/// The time that has passed, in the two largest units.
pub fn ago(since: SystemTime) -> String {
    short(SystemTime::now().duration_since(since).unwrap_or_default())
}

/// `1h 2m`, `3.4s` or `120ms`.
pub fn short(span: Duration) -> String {
    if span < Duration::from_secs(1) {
        return format!("{}ms", span.as_millis());
    }
    // More would be rounded to 60.0s.
    if span < Duration::from_millis(59_950) {
        return format!("{:.1}s", span.as_secs_f64());
    }
    let all = humantime::format_duration(Duration::from_secs(span.as_secs())).to_string();
    all.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// The function and the label, or what says that the lock is kept.
pub fn function(holder: &Holder) -> String {
    match &holder.label {
        _ if holder.kept => "(released, kept by min_hold)".to_owned(),
        Some(label) => format!("{} ({label})", holder.function),
        None => holder.function.clone(),
    }
}

/// Without characters that would confuse a terminal. Other text stays as it is, so that a key can
/// be copied.
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let shown = |character: char| match character {
        '\\' => "\\\\".to_owned(),
        character if is_unprintable(character) => character.escape_default().to_string(),
        character => character.to_string(),
    };
    text.chars().map(shown).collect()
}

/// Control characters, line separators and marks of the direction of text.
pub fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        for (millis, text) in [
            (0, "0ms"),
            (999, "999ms"),
            (1_250, "1.2s"),
            (59_940, "59.9s"),
            (59_960, "59s"),
            (60_000, "1m"),
            (3_661_000, "1h 1m"),
            (90_061_000, "1day 1h"),
        ] {
            assert_eq!(short(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn a_key_cannot_move_the_cursor() {
        assert_eq!(plain("a\x1b[2J\nb\\"), "a\\u{1b}[2J\\nb\\\\");
        assert_eq!(plain("a\u{202e}b"), "a\\u{202e}b");
    }

    #[test]
    fn a_key_that_is_shown_can_be_copied() {
        for key in ["order:ä", r"C:\jobs\new", "it's \"7\""] {
            assert_eq!(plain(key), key);
        }
    }
}
