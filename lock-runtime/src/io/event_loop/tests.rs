//! How long to poll, by round trip time.

use super::*;

#[test]
fn the_span_follows_short_round_trips_and_is_minimal_for_long_ones() {
    let mut busy_poll = BusyPoll { enabled: true, round_trip: MAX_POLL };
    let mut after = |micros| {
        (0..64).for_each(|_| busy_poll.record_round_trip(Duration::from_micros(micros)));
        busy_poll.span()
    };
    let near = after(30);
    assert!(near >= Duration::from_micros(60) && near < Duration::from_micros(70), "{near:?}");
    assert_eq!(after(150), MAX_POLL);
    assert_eq!(after(5_000), MIN_POLL);
    assert_eq!(BusyPoll { enabled: false, round_trip: near }.span(), Duration::ZERO);
}
