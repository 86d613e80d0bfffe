use proptest::prelude::*;

use super::*;

fn named(port: u16, epoch: u64) -> Named {
    let address = NodeAddress::new("10.0.0.1", port).expect("it is one");
    Named { address, epoch }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::ZERO.plus(Duration::from_secs(100 + seconds))
}

/// One of three Sentinels, that know each other, says this.
fn says(election: &mut Election, seconds: u64, who: u8, port: u16, epoch: u64) -> bool {
    let others = (0..3).filter(|&other| other != who).map(|other| other.to_string()).collect();
    let report = Report { primary: named(port, epoch), others, at: at(seconds) };
    election.reported(at(seconds), who.to_string(), report)
}

fn port(election: &Election) -> Option<u16> {
    election.primary().map(|primary| primary.address.port())
}

#[test]
fn one_of_three_decides_nothing() {
    let mut election = Election::new(1);
    assert!(!says(&mut election, 0, 0, 1, 0));
    assert_eq!(port(&election), None);
    assert!(says(&mut election, 0, 1, 1, 0));
    assert_eq!(port(&election), Some(1));
}

#[test]
fn those_that_are_listed_count_before_they_are_reached() {
    let mut election = Election::new(3);
    let alone = Report { primary: named(1, 0), others: Vec::new(), at: at(0) };
    assert!(!election.reported(at(0), "a".to_owned(), alone));
}

#[test]
fn the_primary_is_confirmed_when_the_last_of_a_majority_names_it() {
    let mut election = Election::new(3);
    says(&mut election, 1, 0, 1, 0);
    assert_eq!(election.confirmed(), Timestamp::ZERO);
    says(&mut election, 2, 1, 1, 0);
    assert_eq!(election.confirmed(), at(1));
    says(&mut election, 3, 1, 1, 0);
    assert_eq!(election.confirmed(), at(1), "one alone confirms nothing");
    says(&mut election, 4, 2, 1, 0);
    assert_eq!(election.confirmed(), at(3));
    says(&mut election, 5, 0, 2, 1);
    assert_eq!(election.confirmed(), at(3), "it names another one");
}

#[test]
fn a_switch_is_followed_when_two_of_three_name_it() {
    let mut election = Election::new(3);
    for who in 0..3 {
        says(&mut election, 0, who, 1, 0);
    }
    assert!(!says(&mut election, 1, 0, 2, 1), "only one has heard of it");
    assert_eq!(port(&election), Some(1));
    assert!(says(&mut election, 1, 1, 2, 1));
    assert_eq!(port(&election), Some(2));
    assert!(!says(&mut election, 1, 2, 2, 1), "it is the primary already");
}

#[test]
fn a_majority_that_has_not_heard_of_the_last_failover_is_not_followed() {
    let mut election = Election::new(3);
    for who in 0..3 {
        says(&mut election, 0, who, 2, 5);
    }
    assert!(!says(&mut election, 1, 0, 1, 4));
    assert!(!says(&mut election, 1, 1, 1, 4));
    assert_eq!(port(&election), Some(2));
    assert!(says(&mut election, 1, 2, 1, 4), "all agree: they were set up again");
    assert_eq!(port(&election), Some(1));
}

#[test]
fn without_a_majority_the_primary_stays() {
    let mut election = Election::new(3);
    for who in 0..3 {
        says(&mut election, 0, who, 1, 0);
    }
    election.is_silent("1");
    election.is_silent("2");
    assert!(!says(&mut election, 1, 0, 2, 1));
    assert_eq!(port(&election), Some(1));
}

#[test]
fn a_report_that_is_not_repeated_does_not_count() {
    let mut election = Election::new(3);
    says(&mut election, 0, 0, 1, 0);
    assert!(!says(&mut election, 6, 1, 1, 0));
    assert_eq!(port(&election), None);
    let agreement = election.agreement(at(6));
    assert_eq!((agreement.most, agreement.known), (Some((named(1, 0), 1)), 3));
}

#[test]
fn one_that_is_listed_under_two_names_counts_once() {
    let mut election = Election::new(2);
    election.is_listed_twice();
    let alone = Report { primary: named(1, 0), others: Vec::new(), at: at(0) };
    assert!(election.reported(at(0), "a".to_owned(), alone));
}

#[derive(Clone, Debug)]
enum Event {
    Says { who: u8, port: u16, epoch: u64 },
    IsSilent(u8),
}

fn events() -> impl Strategy<Value = Vec<(u64, Event)>> {
    let says = (0..3_u8, 1..4_u16, 0..4_u64);
    let event = prop_oneof![
        4 => says.prop_map(|(who, port, epoch)| Event::Says { who, port, epoch }),
        1 => (0..3_u8).prop_map(Event::IsSilent),
    ];
    proptest::collection::vec((0..3_u64, event), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// The primary changes only to an address that a majority of all three names in their latest
    /// reports, and its epoch falls only if all three agree.
    #[test]
    fn a_minority_is_never_followed(listed in 1..=3_usize, events in events()) {
        let mut election = Election::new(listed);
        let mut latest: [Option<(u64, u16)>; 3] = [None; 3];
        let (mut now, mut before) = (0, None::<Named>);
        for (pause, event) in events {
            now += pause;
            let moved = match event {
                Event::IsSilent(who) => {
                    election.is_silent(&who.to_string());
                    latest[usize::from(who)] = None;
                    false
                }
                Event::Says { who, port, epoch } => {
                    latest[usize::from(who)] = Some((now, port));
                    says(&mut election, now, who, port, epoch)
                }
            };
            let primary = election.primary().cloned();
            let port = |primary: &Named| primary.address.port();
            prop_assert_eq!(moved, primary.as_ref().map(port) != before.as_ref().map(port));
            if let Some(new) = primary.as_ref().filter(|_| primary != before) {
                let agree = latest.iter().flatten();
                let agree = agree.filter(|(at, named)| now - at < 5 && *named == port(new)).count();
                prop_assert!(agree >= 2);
                let is_older = before.is_some_and(|before| new.epoch < before.epoch);
                prop_assert!(!is_older || agree == 3);
            }
            before = primary;
        }
    }
}
