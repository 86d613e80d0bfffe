use super::*;

#[test]
fn a_pause_is_shown_with_what_is_left_and_why() {
    let shown = |ms, reason| GrantPause { left: Duration::from_millis(ms), reason }.to_string();
    assert_eq!(shown(1_400, PauseReason::Failover), "grants resume in 1.4s (failover)");
    assert_eq!(shown(80, PauseReason::DataLoss), "grants resume in 80.0ms (data loss)");
}
