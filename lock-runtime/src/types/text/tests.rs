use std::io;

use super::*;

#[test]
fn plain_text_is_borrowed() {
    let key = "account:7 'ü' 👩‍👩‍👧 \\ \"quoted\"";
    assert!(matches!(printable(key), Cow::Borrowed(same) if same == key));
}

#[test]
fn controls_are_escaped() {
    assert_eq!(
        printable("a\nb\r\0\x1b[31m\u{202e}c\u{85}"),
        r"a\nb\r\u{0}\u{1b}[31m\u{202e}c\u{85}"
    );
}

#[test]
fn a_long_key_is_cut_in_the_middle() {
    let key = format!("tenant:{}:end", "x".repeat(10_000));
    let shown = printable(&key);
    assert!(shown.starts_with("tenant:xxx"), "{shown}");
    assert!(shown.contains("…(10011 bytes)…"), "{shown}");
    assert!(shown.ends_with("xxx:end"), "{shown}");
    assert!(shown.len() < 200, "{shown}");
}

#[test]
fn a_long_key_is_cut_between_its_characters() {
    for pad in 0..4 {
        let key = format!("{}{}", "a".repeat(pad), "👍".repeat(500));
        assert!(printable(&key).contains(&format!("…({} bytes)…", key.len())));
    }
}

#[test]
fn words_become_part_of_a_sentence() {
    assert_eq!(words("ERR two\n lines.\r\n"), "ERR two lines");
    assert_eq!(words("ERR \x1b[2J"), r"ERR \u{1b}[2J");
    assert!(words(&"no ".repeat(10_000)).len() < 1000);
}

/// An error whose text names its cause or not.
#[derive(Debug)]
struct Outer(&'static str, io::Error);

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Outer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.1)
    }
}

#[test]
fn the_words_of_an_error_name_each_cause_once() {
    let shown = |text| words_with_causes(&Outer(text, io::Error::other("it is\ndown.")));
    assert_eq!(shown("no token"), "no token: it is down");
    assert_eq!(shown("no token, as it is\ndown."), "no token, as it is down");
    assert_eq!(words_with_causes(&io::Error::other("it is down")), "it is down");
}

#[test]
fn a_length_has_the_units_that_matter() {
    let shown = |nanos| HumanDuration(Duration::from_nanos(nanos)).to_string();
    let second = 1_000_000_000;
    assert_eq!(shown(0), "0s");
    assert_eq!(shown(999_999), "less than 1ms");
    assert_eq!(shown(400_123_456), "400ms");
    assert_eq!(shown(second), "1s");
    assert_eq!(shown(second * 3 / 2), "1.5s");
    assert_eq!(shown(125 * second), "2m 5s");
    assert_eq!(shown(12_000 * second), "3h 20m");
    assert_eq!(shown(30 * 86_400 * second), "30d");
    assert_eq!(shown(30 * 86_400 * second + 7200 * second), "30d 2h");
}

#[test]
fn a_decimal_has_the_digits_of_its_number() {
    for number in [0, 7, 10, 1_795_749_909_920_734, u64::MAX] {
        assert_eq!(Decimal::new(number, "").text(), number.to_string());
        let framed = Decimal::new(number, "\r\n").prefixed(b'$');
        assert_eq!(framed.text(), format!("${number}\r\n"));
    }
}
