//! Who reads, step by step.

use super::*;

const START: Timestamp = Timestamp::from_nanos(1_000_000_000);

fn role() -> Role<&'static str> {
    Role::new()
}

#[test]
fn the_first_party_reads_and_the_second_takes_over_when_it_leaves() {
    let mut role = role();
    let first = role.join(PartyKind::Thread);
    let second = role.join(PartyKind::Task);
    assert_eq!(role.claim(START, first, PartyKind::Thread).0, Claim::Reads);
    assert_eq!(role.claim(START, second, PartyKind::Task).0, Claim::Waits);
    assert_eq!(role.stand_by(second, "second"), None);
    assert_eq!(role.leave(first, PartyKind::Thread).0, Left::Wake("second"));
    assert_eq!(role.claim(START, second, PartyKind::Task).0, Claim::Reads);
    assert_eq!(role.leave(second, PartyKind::Task), (Left::Nothing, None));
}

#[test]
fn a_party_that_leaves_is_not_woken_to_read() {
    let mut role = role();
    let first = role.join(PartyKind::Task);
    let second = role.join(PartyKind::Task);
    let third = role.join(PartyKind::Task);
    assert_eq!(role.claim(START, first, PartyKind::Task).0, Claim::Reads);
    assert_eq!(role.stand_by(second, "second"), None);
    assert_eq!(role.stand_by(third, "third"), Some("second"));
    assert_eq!(role.leave(third, PartyKind::Task), (Left::Nothing, Some("third")));
    assert_eq!(role.leave(first, PartyKind::Task).0, Left::KeeperReads, "second still waits");
    assert_eq!(role.keeper(false), Keeper::Reads);
}

#[test]
fn a_thread_takes_the_role_from_a_task_that_stalls_and_no_sooner() {
    let mut role = role();
    let task = role.join(PartyKind::Task);
    let thread = role.join(PartyKind::Thread);
    assert_eq!(role.claim(START, task, PartyKind::Task).0, Claim::Reads);
    let soon = START.plus(PATIENCE / 2);
    assert_eq!(role.claim(soon, thread, PartyKind::Thread).0, Claim::Waits);
    let late = START.plus(PATIENCE);
    assert_eq!(role.claim(late, thread, PartyKind::Thread).0, Claim::Reads);
    assert_eq!(role.claim(late, task, PartyKind::Task).0, Claim::Waits, "a thread never stalls");
}

#[test]
fn many_threads_leave_the_reading_to_the_keeper() {
    let mut role = role();
    let parties: Vec<_> = (0..FEW + 2).map(|_| role.join(PartyKind::Thread)).collect();
    for &party in &parties {
        assert_eq!(role.claim(START, party, PartyKind::Thread).0, Claim::KeeperReads);
    }
    assert_eq!(role.keeper(false), Keeper::Reads);
    for &party in &parties {
        assert_eq!(role.claim(START, party, PartyKind::Thread).0, Claim::Waits);
    }
}

#[test]
fn the_keeper_takes_a_vacant_role_when_nothing_happens() {
    let mut role = role();
    assert_eq!(role.keeper(false), Keeper::Looks);
    assert_eq!(role.keeper(true), Keeper::Reads);
    let party = role.join(PartyKind::Thread);
    assert_eq!(role.claim(START, party, PartyKind::Thread).0, Claim::Reads, "it gives way");
    assert_eq!(role.keeper(false), Keeper::Looks);
    assert_eq!(role.keeper(true), Keeper::Sleeps);
}

#[test]
fn an_idle_link_writes_at_once_and_a_busy_one_in_batches() {
    let mut role = role();
    assert!(!role.batches(START, 0));
    assert!(!role.batches(START, 3), "nobody reads");
    let party = role.join(PartyKind::Thread);
    assert_eq!(role.claim(START, party, PartyKind::Thread).0, Claim::Reads);
    assert!(!role.batches(START, 0), "no reply will come soon");
    assert!(role.batches(START, 1));
    assert_eq!(role.leave(party, PartyKind::Thread).0, Left::Nothing);
    let woken = [role.join(PartyKind::Task), role.join(PartyKind::Task)];
    role.woke(START, 2);
    assert!(role.batches(START, 0), "the others come soon");
    assert_eq!(role.batch_ends_at(START), Some(START.plus(BURST * 2)));
    assert!(!role.batches(START.plus(BURST * 2), 0));
    for party in woken {
        assert_eq!(role.leave(party, PartyKind::Task), (Left::Nothing, None));
    }
    assert!(!role.batches(START, 0), "all of them have come");
}

#[test]
fn what_is_asked_while_the_keeper_reads_is_left_to_it_only_by_many() {
    let mut role = role();
    assert_eq!(role.keeper(true), Keeper::Reads);
    for _ in 0..FEW {
        role.join(PartyKind::Thread);
    }
    assert!(!role.batches(START, 1), "who asks is about to read");
    role.join(PartyKind::Thread);
    assert!(role.batches(START, 1));
    assert!(!role.batches(START, 0), "no reply will come soon");
}

#[test]
fn a_party_that_is_woken_to_read_and_has_its_answer_passes_the_role_on() {
    let mut role = role();
    let parties: Vec<_> = (0..3).map(|_| role.join(PartyKind::Task)).collect();
    assert_eq!(role.claim(START, parties[0], PartyKind::Task).0, Claim::Reads);
    assert_eq!(role.stand_by(parties[1], "first"), None);
    assert_eq!(role.stand_by(parties[2], "second"), Some("first"));
    assert_eq!(role.leave(parties[0], PartyKind::Task).0, Left::Wake("second"));
    assert_eq!(role.leave(parties[2], PartyKind::Task).0, Left::KeeperReads, "one still waits");
    assert_eq!(role.keeper(false), Keeper::Reads);
}

#[test]
fn a_batch_waits_only_briefly_for_many_parties() {
    let mut role = role();
    for _ in 0..10_000 {
        role.join(PartyKind::Task);
    }
    role.woke(START, 10_000);
    assert!(role.batches(START, 0));
    assert!(!role.batches(START.plus(LONGEST_BURST), 0));
    assert!(LONGEST_BURST < GRACE, "the keeper would ask again and again whether to send");
}

#[test]
fn a_task_does_not_take_the_role_from_another_one() {
    let mut role = role();
    let first = role.join(PartyKind::Task);
    let second = role.join(PartyKind::Task);
    assert_eq!(role.claim(START, first, PartyKind::Task).0, Claim::Reads);
    assert_eq!(role.claim(START, second, PartyKind::Task).0, Claim::Waits);
}
