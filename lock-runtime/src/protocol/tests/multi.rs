//! Several requests in one call.

use super::*;
use crate::protocol::Protocol;
use crate::protocol::request::{
    CommandError, CommandId, Loss, Output, ReleaseOutcome, RequestParams,
};
use crate::protocol::timing::Timing;
use crate::types::fence::{Fence, FenceRange};
use crate::types::request_id::RequestId;
use crate::wire::command::Command;
use crate::wire::reply::{Grant, Reply};

const NONCES: [RequestId; 3] =
    [RequestId::from_bits(1), RequestId::from_bits(2), RequestId::from_bits(3)];

fn three() -> Vec<RequestParams> {
    let keyed = |bits: u128| RequestParams {
        key: Arc::from(format!("key {bits}")),
        queue: false,
        ..request(bits)
    };
    (1..=3).map(keyed).collect()
}

fn may_be_on_server() -> (Protocol, CommandId) {
    asking(three())
}

fn asking(requests: Vec<RequestParams>) -> (Protocol, CommandId) {
    let mut protocol = connected();
    protocol.acquire_all(at(1.0), requests);
    let (id, call) = sent(&mut protocol);
    let Command::AcquireAll(asks) = call else { panic!("{call:?}") };
    assert_eq!(asks.iter().map(|ask| ask.request.id).collect::<Vec<_>>(), NONCES);
    assert!(asks.iter().all(|ask| ask.fence_count == 1 && ask.enqueue.is_none()));
    (protocol, id)
}

#[expect(clippy::unnecessary_wraps, reason = "goes in as a reply, which may be an error")]
fn all_granted(first: u64) -> Result<Reply, CommandError> {
    Ok(Reply::AcquiredAll(Some(FenceRange::new(Fence::new(first), 3))))
}

fn not_together(protocol: &mut Protocol) -> bool {
    let is_other = |output: &Output| *output != Output::NotTogether(NONCES.to_vec());
    let outputs = drain(protocol);
    let (others, reports): (Vec<_>, Vec<_>) = outputs.into_iter().partition(is_other);
    protocol.outputs.extend(others);
    assert!(reports.len() <= 1, "reported twice");
    !reports.is_empty()
}

/// Which requests are being undone, and by which tombstone.
fn cancels(outputs: &[Output]) -> Vec<(RequestId, bool)> {
    let cancel = |output: &Output| match output {
        Output::Send(_, Command::Cancel { request, tombstone, .. }) => {
            (request.id, !tombstone.is_zero())
        }
        other => panic!("expected a cancel, got {other:?}"),
    };
    outputs.iter().map(cancel).collect()
}

#[test]
fn all_are_held_with_a_token_each_from_the_instant_before_the_call() {
    let (mut protocol, id) = may_be_on_server();
    protocol.reply(at(1.5), id, all_granted(10));
    let valid_until = at(1.0).plus(valid(TTL));
    let grant = |(id, fence)| {
        let grant = Grant { fences: fences(fence), contended: false };
        Output::Granted { id, grant, valid_until }
    };
    let expected: Vec<_> = NONCES.into_iter().zip(10..).map(grant).collect();
    assert_eq!(drain(&mut protocol), expected);
    assert!(!not_together(&mut protocol));
    assert_eq!(protocol.min_fence(), Fence::new(12));
}

#[test]
fn what_was_taken_at_once_is_renewed_limited_and_released_like_any_other() {
    let mut requests = three();
    requests[1].max_hold = Some(Duration::from_secs(2));
    let (mut protocol, id) = asking(requests);
    protocol.reply(at(1.0), id, all_granted(10));
    drain(&mut protocol);
    for id in NONCES {
        protocol.check_claimed_at(at(1.0), id, None);
    }
    protocol.tick(at(3.0));
    assert_eq!(drain(&mut protocol), [Output::Lost(NONCES[1], Loss::MaxHold)]);
    protocol.tick(at(12.5));
    let (_, call) = sent(&mut protocol);
    assert!(matches!(&call, Command::Renew(entries) if entries.len() == 2), "{call:?}");
    protocol.release(at(12.6), NONCES[0]);
    assert!(matches!(sent(&mut protocol).1, Command::Release { .. }));
}

#[test]
fn a_definite_no_forgets_them_without_a_call() {
    let answers = [
        Ok(Reply::AcquiredAll(None)),
        Err(CommandError::Refused("no".to_owned())),
        Err(CommandError::TryAgain("LOADING".to_owned())),
        Err(CommandError::ScriptMissing),
    ];
    for answer in answers {
        let (mut protocol, id) = may_be_on_server();
        protocol.reply(at(1.1), id, answer);
        assert!(not_together(&mut protocol));
        assert_eq!(
            drain(&mut protocol),
            NONCES.map(|id| Output::Finished(id, ReleaseOutcome::NotHeld))
        );
        assert!(protocol.is_idle());
        assert_eq!(protocol.next_tick(), None);
    }
}

#[test]
fn without_a_connection_it_is_a_no_at_once() {
    let mut protocol = Protocol::new(at(0.0), Timing::default(), "inbox".to_owned(), TTL);
    protocol.acquire_all(at(1.0), three());
    assert!(not_together(&mut protocol));
    assert_eq!(drain(&mut protocol), []);
    assert!(protocol.is_idle());
    protocol.acquire_all(at(1.0), Vec::new());
    assert!(!not_together(&mut protocol));
}

#[test]
fn a_garbled_reply_is_undone_with_tombstones() {
    for reply in [Err(CommandError::InvalidReply("?".to_owned())), Ok(Reply::Released(true))] {
        let (mut protocol, id) = may_be_on_server();
        protocol.reply(at(1.1), id, reply);
        assert!(not_together(&mut protocol));
        assert_eq!(cancels(&drain(&mut protocol)), NONCES.map(|id| (id, true)));
    }
}

#[test]
fn a_broken_connection_and_a_reply_that_does_not_come_are_undone_on_the_next_one() {
    let (mut protocol, _) = may_be_on_server();
    protocol.disconnected(at(1.1), "reset".to_owned());
    assert!(not_together(&mut protocol));
    assert_eq!(drain(&mut protocol), []);
    protocol.connected(at(1.2), BOUND);
    assert_eq!(cancels(&drain(&mut protocol)), NONCES.map(|id| (id, true)));

    let (mut protocol, id) = may_be_on_server();
    let stalled = protocol.next_tick().expect("the reply is overdue some time");
    protocol.tick(stalled);
    assert!(not_together(&mut protocol));
    assert_eq!(drain(&mut protocol), [Output::Reconnect]);
    protocol.connected(stalled, BOUND);
    let ends = drain(&mut protocol);
    assert_eq!(cancels(&ends), NONCES.map(|id| (id, true)));
    protocol.reply(stalled, id, all_granted(10));
    assert_eq!(drain(&mut protocol), []);
    for end in ends {
        let Output::Send(id, _) = end else { panic!("{end:?}") };
        protocol.reply(stalled, id, Ok(Reply::Released(true)));
    }
    assert!(protocol.is_idle() && !not_together(&mut protocol));
}

#[test]
fn a_request_that_its_caller_ended_meanwhile_is_undone_and_the_others_are_held() {
    let (mut protocol, id) = may_be_on_server();
    protocol.release(at(1.1), NONCES[0]);
    assert_eq!(cancels(&drain(&mut protocol)), [(NONCES[0], false)]);
    protocol.reply(at(1.2), id, all_granted(10));
    let granted = |output: &Output| match output {
        Output::Granted { id, grant, .. } => (*id, grant.fences.first.get()),
        other => panic!("{other:?}"),
    };
    let outputs = drain(&mut protocol);
    let held: Vec<_> = outputs.iter().map(granted).collect();
    assert_eq!(held, [(NONCES[1], 11), (NONCES[2], 12)]);
}

#[test]
fn a_caller_that_ended_all_of_them_gets_no_reply_and_leaves_nothing_behind() {
    let (mut protocol, _) = may_be_on_server();
    for id in NONCES {
        protocol.release(at(1.1), id);
    }
    assert_eq!(cancels(&drain(&mut protocol)), NONCES.map(|id| (id, false)));
    protocol.disconnected(at(1.2), "reset".to_owned());
    protocol.connected(at(1.3), BOUND);
    assert_eq!(cancels(&drain(&mut protocol)), NONCES.map(|id| (id, true)));
    assert!(!not_together(&mut protocol));
}

#[test]
fn a_deadline_before_the_reply_ends_all_of_them() {
    let mut requests = three();
    requests[2].deadline = Some(at(1.5));
    let (mut protocol, id) = asking(requests);
    protocol.tick(at(1.5));
    assert!(not_together(&mut protocol));
    let ends = cancels(&drain(&mut protocol));
    assert_eq!(ends, NONCES.map(|id| (id, false)), "they follow on the same connection");
    protocol.reply(at(1.6), id, all_granted(10));
    assert_eq!(drain(&mut protocol), []);
    assert!(!not_together(&mut protocol));
}

#[test]
fn a_grant_that_is_over_or_stale_is_given_back_as_a_whole() {
    let mut requests = three();
    requests[1].ttl = Duration::from_millis(100);
    let (mut protocol, id) = asking(requests);
    protocol.reply(at(1.2), id, all_granted(10));
    assert!(not_together(&mut protocol));
    assert_eq!(cancels(&drain(&mut protocol)), NONCES.map(|id| (id, false)));

    let mut protocol = connected();
    protocol.acquire(at(0.5), request(9));
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(0.6), id, granted(10));
    drain(&mut protocol);
    protocol.acquire_all(at(1.0), three());
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(1.1), id, all_granted(9));
    assert!(not_together(&mut protocol));
    assert_eq!(cancels(&drain(&mut protocol)), NONCES.map(|id| (id, false)));
}
