use super::*;

#[test]
fn versions_come_from_the_lock_file() {
    assert!(version("rslock").starts_with(|digit: char| digit.is_ascii_digit()));
    assert!(version("redis").starts_with(|digit: char| digit.is_ascii_digit()));
    assert_eq!(version("no-such-package"), "of an unknown version");
}
