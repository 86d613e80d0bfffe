use super::*;

fn with(kinds: &[FaultKind]) -> Schedule {
    let overrides = Overrides { faults: kinds.to_vec(), ..Overrides::default() };
    Schedule::of(7, &overrides)
}

#[test]
fn the_same_seed_gives_the_same_schedule() {
    for seed in 0..100 {
        let overrides = Overrides::default();
        let [one, other] = [Schedule::of(seed, &overrides), Schedule::of(seed, &overrides)];
        assert_eq!(one.to_string(), other.to_string());
        assert!((1..=6).contains(&one.faults.len()));
        assert!(one.faults.iter().all(|fault| fault.at < one.length));
    }
}

#[test]
fn random_schedules_contain_every_fault_and_every_workload() {
    let schedules: Vec<_> =
        (0..300).map(|seed| Schedule::of(seed, &Overrides::default())).collect();
    for kind in FaultKind::value_variants() {
        assert!(schedules.iter().any(|schedule| schedule.has(|fault| fault.kind == *kind)));
    }
    for workload in Workload::ALL {
        assert!(schedules.iter().any(|schedule| schedule.workload == workload));
    }
}

#[test]
fn a_detected_data_loss_keeps_a_schedule_lossless() {
    assert!(with(&[FaultKind::FlushAll, FaultKind::KillAny, FaultKind::ServerCrash]).is_lossless());
    assert!(!with(&[FaultKind::DeleteHold]).is_lossless());
    let mut schedule = with(&[FaultKind::ClockAhead]);
    schedule.faults[0].jump = Duration::from_secs(1);
    schedule.settings.server_ttl_slack = Duration::from_secs(2);
    assert!(schedule.is_lossless());
    schedule.settings.server_ttl_slack = Duration::from_millis(2);
    assert!(!schedule.is_lossless());
}
