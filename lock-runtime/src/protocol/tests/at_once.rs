//! Several requests in one call.

use super::*;
use crate::protocol::claim::{Loss, Request};
use crate::protocol::machine::{CallError, CallId, Machine, Output};
use crate::protocol::signal::Signal;
use crate::protocol::timing::Timing;
use crate::types::fence::{Fence, FenceBlock};
use crate::types::request_id::Nonce;
use crate::wire::call::Call;
use crate::wire::reply::{Grant, Reply};

const NONCES: [Nonce; 3] = [Nonce::from_bits(1), Nonce::from_bits(2), Nonce::from_bits(3)];

fn three() -> Vec<Request> {
    let keyed = |bits: u128| Request {
        key: Arc::from(format!("key {bits}")),
        queue: false,
        ..request(bits)
    };
    (1..=3).map(keyed).collect()
}

fn asked() -> (Machine, CallId) {
    asking(three())
}

fn asking(requests: Vec<Request>) -> (Machine, CallId) {
    let mut machine = connected();
    machine.request_all(at(1.0), requests);
    let (id, call) = sent(&mut machine);
    let Call::AcquireAll(asks) = call else { panic!("{call:?}") };
    assert_eq!(asks.iter().map(|ask| ask.give.nonce).collect::<Vec<_>>(), NONCES);
    assert!(asks.iter().all(|ask| ask.block == 1 && ask.enqueue.is_none()));
    (machine, id)
}

#[expect(clippy::unnecessary_wraps, reason = "goes in as a reply, which may be an error")]
fn all_granted(first: u64) -> Result<Reply, CallError> {
    Ok(Reply::AcquiredAll(Some(FenceBlock::new(Fence::new(first), 3))))
}

fn not_at_once(machine: &mut Machine) -> bool {
    let told: Vec<_> = std::iter::from_fn(|| machine.poll_signal()).collect();
    assert!(told.is_empty() || told == [Signal::NotAtOnce(NONCES[0])], "{told:?}");
    !told.is_empty()
}

/// Which requests are being undone, and by which tombstone.
fn cancels(outputs: &[Output]) -> Vec<(Nonce, bool)> {
    let cancel = |output: &Output| match output {
        Output::Send(_, Call::Cancel { give, tombstone }) => (give.nonce, !tombstone.is_zero()),
        other => panic!("expected a cancel, got {other:?}"),
    };
    outputs.iter().map(cancel).collect()
}

#[test]
fn all_are_held_with_a_token_each_from_the_instant_before_the_call() {
    let (mut machine, id) = asked();
    machine.reply(at(1.5), id, all_granted(10));
    let valid_until = at(1.0).plus(valid(TTL));
    let grant = |(nonce, fence)| {
        let grant = Grant { fences: fences(fence), waited_for: false };
        Output::Granted { nonce, grant, valid_until }
    };
    let expected: Vec<_> = NONCES.into_iter().zip(10..).map(grant).collect();
    assert_eq!(drain(&mut machine), expected);
    assert!(!not_at_once(&mut machine));
    assert_eq!(machine.floor(), Fence::new(12));
}

#[test]
fn what_was_taken_at_once_is_renewed_limited_and_released_like_any_other() {
    let mut requests = three();
    requests[1].max_hold = Some(Duration::from_secs(2));
    let (mut machine, id) = asking(requests);
    machine.reply(at(1.0), id, all_granted(10));
    drain(&mut machine);
    for nonce in NONCES {
        machine.look_again(nonce, None);
    }
    machine.tick(at(3.0));
    assert_eq!(drain(&mut machine), [Output::Lost(NONCES[1], Loss::MaxHold)]);
    machine.tick(at(12.5));
    let (_, call) = sent(&mut machine);
    assert!(matches!(&call, Call::Renew(entries) if entries.len() == 2), "{call:?}");
    machine.end(at(12.6), NONCES[0]);
    assert!(matches!(sent(&mut machine).1, Call::Free(_)));
}

#[test]
fn a_definite_no_forgets_them_without_a_call() {
    let answers = [
        Ok(Reply::AcquiredAll(None)),
        Err(CallError::Refused("no".to_owned())),
        Err(CallError::NotNow("LOADING".to_owned())),
        Err(CallError::Unloaded),
    ];
    for answer in answers {
        let (mut machine, id) = asked();
        machine.reply(at(1.1), id, answer);
        assert!(not_at_once(&mut machine));
        assert_eq!(drain(&mut machine), NONCES.map(|nonce| Output::Ended(nonce, Some(false))));
        assert!(machine.is_idle());
        assert_eq!(machine.next_tick(), None);
    }
}

#[test]
fn without_a_connection_it_is_a_no_at_once() {
    let mut machine = Machine::new(at(0.0), Timing::default(), "inbox".to_owned(), TTL);
    machine.request_all(at(1.0), three());
    assert!(not_at_once(&mut machine));
    assert_eq!(drain(&mut machine), []);
    assert!(machine.is_idle());
    machine.request_all(at(1.0), Vec::new());
    assert!(!not_at_once(&mut machine));
}

#[test]
fn a_garbled_reply_is_undone_with_tombstones() {
    for reply in [Err(CallError::Garbled("?".to_owned())), Ok(Reply::Ended(true))] {
        let (mut machine, id) = asked();
        machine.reply(at(1.1), id, reply);
        assert!(not_at_once(&mut machine));
        assert_eq!(cancels(&drain(&mut machine)), NONCES.map(|nonce| (nonce, true)));
    }
}

#[test]
fn a_broken_connection_and_a_reply_that_does_not_come_are_undone_on_the_next_one() {
    let (mut machine, _) = asked();
    machine.disconnected(at(1.1), "reset".to_owned());
    assert!(not_at_once(&mut machine));
    assert_eq!(drain(&mut machine), []);
    machine.connected(at(1.2), BOUND);
    assert_eq!(cancels(&drain(&mut machine)), NONCES.map(|nonce| (nonce, true)));

    let (mut machine, id) = asked();
    let stalled = machine.next_tick().expect("the reply is overdue some time");
    machine.tick(stalled);
    assert!(not_at_once(&mut machine));
    assert_eq!(drain(&mut machine), [Output::Reconnect]);
    machine.connected(stalled, BOUND);
    let ends = drain(&mut machine);
    assert_eq!(cancels(&ends), NONCES.map(|nonce| (nonce, true)));
    machine.reply(stalled, id, all_granted(10));
    assert_eq!(drain(&mut machine), []);
    for end in ends {
        let Output::Send(id, _) = end else { panic!("{end:?}") };
        machine.reply(stalled, id, Ok(Reply::Ended(true)));
    }
    assert!(machine.is_idle() && !not_at_once(&mut machine));
}

#[test]
fn a_request_that_its_caller_ended_meanwhile_is_undone_and_the_others_are_held() {
    let (mut machine, id) = asked();
    machine.end(at(1.1), NONCES[0]);
    assert_eq!(cancels(&drain(&mut machine)), [(NONCES[0], false)]);
    machine.reply(at(1.2), id, all_granted(10));
    let granted = |output: &Output| match output {
        Output::Granted { nonce, grant, .. } => (*nonce, grant.fences.first().get()),
        other => panic!("{other:?}"),
    };
    let outputs = drain(&mut machine);
    let held: Vec<_> = outputs.iter().map(granted).collect();
    assert_eq!(held, [(NONCES[1], 11), (NONCES[2], 12)]);
}

#[test]
fn whoever_ended_all_of_them_hears_nothing_and_leaves_nothing_behind() {
    let (mut machine, _) = asked();
    for nonce in NONCES {
        machine.end(at(1.1), nonce);
    }
    assert_eq!(cancels(&drain(&mut machine)), NONCES.map(|nonce| (nonce, false)));
    machine.disconnected(at(1.2), "reset".to_owned());
    machine.connected(at(1.3), BOUND);
    assert_eq!(cancels(&drain(&mut machine)), NONCES.map(|nonce| (nonce, true)));
    assert!(!not_at_once(&mut machine));
}

#[test]
fn a_deadline_before_the_reply_ends_all_of_them() {
    let mut requests = three();
    requests[2].deadline = Some(at(1.5));
    let (mut machine, id) = asking(requests);
    machine.tick(at(1.5));
    assert!(not_at_once(&mut machine));
    let ends = cancels(&drain(&mut machine));
    assert_eq!(ends, NONCES.map(|nonce| (nonce, false)), "they follow on the same connection");
    machine.reply(at(1.6), id, all_granted(10));
    assert_eq!(drain(&mut machine), []);
    assert!(!not_at_once(&mut machine));
}

#[test]
fn a_grant_that_is_over_or_stale_is_given_back_as_a_whole() {
    let mut requests = three();
    requests[1].ttl = Duration::from_millis(100);
    let (mut machine, id) = asking(requests);
    machine.reply(at(1.2), id, all_granted(10));
    assert!(not_at_once(&mut machine));
    assert_eq!(cancels(&drain(&mut machine)), NONCES.map(|nonce| (nonce, false)));

    let mut machine = connected();
    machine.request(at(0.5), request(9));
    let (id, _) = sent(&mut machine);
    machine.reply(at(0.6), id, granted(10));
    drain(&mut machine);
    machine.request_all(at(1.0), three());
    let (id, _) = sent(&mut machine);
    machine.reply(at(1.1), id, all_granted(9));
    assert!(not_at_once(&mut machine));
    assert_eq!(cancels(&drain(&mut machine)), NONCES.map(|nonce| (nonce, false)));
}
