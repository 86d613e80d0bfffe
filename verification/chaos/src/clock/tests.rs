use super::*;

#[test]
fn a_sleep_ends_when_it_is_due_and_not_before() {
    let due = now() + 3_000_000;
    sleep_until(due);
    assert!(now() >= due);
    assert_eq!(left(due), Duration::ZERO);
}
