use super::super::*;
use crate::wire::keyspace::WAITER_LEASE;

#[test]
fn the_steps_go_from_the_lease_of_a_waiter_to_beyond_the_longest_ttl_a_tenth_at_a_time() {
    let steps: Vec<_> = lease_steps().collect();
    assert_eq!(steps[0], WAITER_LEASE);
    assert_eq!(steps[8], WAITER_LEASE * 2);
    assert!(steps[STEPS - 1] > Duration::from_secs(30 * 24 * 60 * 60).mul_f64(1.01));
    for pair in steps.windows(2) {
        assert!(pair[0] < pair[1] && pair[1] < pair[0].mul_f64(1.1), "{pair:?}");
    }
}

#[test]
fn a_lease_is_covered_by_the_next_step() {
    assert_eq!(lease_step_for(Duration::ZERO), WAITER_LEASE);
    assert_eq!(lease_step_for(WAITER_LEASE), WAITER_LEASE);
    let above = lease_step_for(Duration::from_millis(2_001));
    assert!(above > WAITER_LEASE && above < Duration::from_millis(2_200), "{above:?}");
    assert_eq!(Some(lease_step_for(Duration::MAX)), lease_steps().next_back());
}
