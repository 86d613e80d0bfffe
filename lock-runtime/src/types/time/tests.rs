use super::*;

#[test]
fn differences_saturate_at_both_ends() {
    let early = Timestamp::from_nanos(5);
    let late = early.plus(Duration::from_nanos(7));
    assert_eq!(late.since(early), Duration::from_nanos(7));
    assert_eq!(early.since(late), Duration::ZERO);
    assert_eq!(early.plus(Duration::MAX), Timestamp::from_nanos(u64::MAX));
}

#[test]
fn the_clock_moves_forward() {
    let first = now();
    assert!(now() >= first && first > Timestamp::ZERO);
}
