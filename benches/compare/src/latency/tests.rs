use super::*;

#[test]
fn percentiles_are_in_microseconds() {
    let latency: Latency = (1..=1000).map(|micros| micros * 1000).collect();
    assert_eq!(latency.samples(), 1000);
    assert!((latency.median() - 500.0).abs() < 1.0, "{}", latency.median());
    assert!((latency.p99() - 990.0).abs() < 1.0, "{}", latency.p99());
}
