use super::*;

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
