use super::*;

fn with(topology: Topology, kinds: &[FaultKind]) -> Schedule {
    let overrides = Overrides { topology, faults: kinds.to_vec(), ..Overrides::default() };
    Schedule::of(7, &overrides)
}

fn random(topology: Topology, seed: u64) -> Schedule {
    Schedule::of(seed, &Overrides { topology, ..Overrides::default() })
}

#[test]
fn the_same_seed_gives_the_same_schedule() {
    for topology in Topology::value_variants() {
        for seed in 0..100 {
            let [one, other] = [random(*topology, seed), random(*topology, seed)];
            assert_eq!(one.to_string(), other.to_string());
            assert!((1..=6).contains(&one.faults.len()));
            assert!(one.faults.iter().all(|fault| fault.at < one.length));
        }
    }
}

#[test]
fn random_schedules_contain_every_fault_of_their_servers_and_every_workload() {
    for topology in Topology::value_variants() {
        let schedules: Vec<_> = (0..300).map(|seed| random(*topology, seed)).collect();
        for kind in FaultKind::value_variants() {
            let has = schedules.iter().any(|schedule| schedule.has(|fault| fault.kind == *kind));
            assert_eq!(has, kind.is_of(*topology), "{kind} of {topology:?}");
        }
        for workload in Workload::ALL {
            assert!(schedules.iter().any(|schedule| schedule.workload == workload));
        }
    }
}

#[test]
fn a_detected_data_loss_keeps_a_schedule_lossless() {
    let with = |kinds: &[_]| with(Topology::Server, kinds);
    assert!(with(&[FaultKind::FlushAll, FaultKind::KillAny, FaultKind::ServerCrash]).is_lossless());
    assert!(!with(&[FaultKind::DeleteHold]).is_lossless());
    let mut schedule = with(&[FaultKind::ClockAhead]);
    schedule.faults[0].jump = Duration::from_secs(1);
    schedule.settings.server_ttl_slack = Duration::from_secs(2);
    assert!(schedule.is_lossless());
    schedule.settings.server_ttl_slack = Duration::from_millis(2);
    assert!(!schedule.is_lossless());
}

#[test]
fn a_failover_that_loses_holds_loses_none_that_its_replica_has_confirmed() {
    let with = |replicas, kinds: &[_]| {
        let mut schedule = with(Topology::Cluster, kinds);
        schedule.settings.replicas = replicas;
        schedule
    };
    let lossless = [FaultKind::Reshard, FaultKind::ClusterCrash, FaultKind::ClusterManual];
    assert!(with(0, &lossless).is_lossless());
    assert!(!with(0, &lossless).keeps_an_old_primary());
    for kind in [FaultKind::ClusterThaw, FaultKind::ClusterForce, FaultKind::ClusterLossyCrash] {
        assert!(!with(0, &[kind]).is_lossless());
        assert!(with(0, &[kind]).keeps_an_old_primary());
        assert!(with(1, &[kind]).is_lossless());
    }
}

#[test]
fn only_a_failover_is_followed_by_a_pause() {
    let with = |kind| {
        let mut schedule = with(Topology::Cluster, &[kind]);
        schedule.settings.after_failover = FailoverPause::Grace;
        schedule
    };
    assert_eq!(with(FaultKind::Storm).pause(), Duration::ZERO);
    assert_eq!(with(FaultKind::ClusterCrash).pause(), Duration::from_secs(2));
    let limit = |kind| with(kind).rules().takeover.expect("nothing is lost");
    let longer = limit(FaultKind::ClusterCrash) - limit(FaultKind::Storm);
    assert_eq!(longer, nanos(Duration::from_secs(2)));
}
