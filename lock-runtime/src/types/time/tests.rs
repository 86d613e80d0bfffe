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

#[test]
fn nanos_are_as_long_as_their_duration() {
    let lengths =
        [Duration::ZERO, Duration::from_nanos(1), Duration::new(30 * 86_400, 999_999_999)];
    for length in lengths {
        assert_eq!(Nanos::of(length).get(), length);
    }
    assert_eq!(Nanos::of(Duration::ZERO), Nanos::ZERO);
    assert!(Nanos::of(Duration::MAX).get() > Duration::from_secs(500 * 365 * 86_400));
    assert_eq!(size_of::<Option<Nanos>>(), size_of::<u64>());
}
