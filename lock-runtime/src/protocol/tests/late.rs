//! What arrives so late that it says less than it seems to.

use super::*;
use crate::protocol::Protocol;
use crate::protocol::request::{CommandError, Output, RequestParams};
use crate::protocol::timing::Timing;
use crate::types::request_id::RequestId;
use crate::wire::command::Command;
use crate::wire::keyspace::WAITER_LEASE;
use crate::wire::reply::{RenewalReply, Reply};

#[test]
fn a_push_of_before_the_request_was_asked_anew_is_confirmed_before_it_is_shown() {
    let mut protocol = queued();
    protocol.tick(at(1.7));
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(1.7), id, Ok(Reply::Renewed(vec![RenewalReply::AcquireAgain])));
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(1.7), id, Err(CommandError::TryAgain("LOADING".to_owned())));
    // The process stands still. What it waits for is pushed to it, and goes to another when nobody
    // takes it up.
    protocol.tick(at(9.0));
    let (_, call) = sent(&mut protocol);
    assert!(matches!(call, Command::Acquire(_)), "{call:?}");
    protocol.notification(at(9.0), granted_by_push(11));
    let (_, call) = sent(&mut protocol);
    assert!(matches!(call, Command::Acquire(_)), "asked for once more: {call:?}");
}

#[test]
fn a_loss_of_data_is_waited_out_for_as_long_as_a_pushed_grant_may_be_valid() {
    let short = Duration::from_millis(100);
    let mut protocol = Protocol::new(at(0.0), Timing::default(), "inbox".to_owned(), short);
    protocol.connected(at(0.0), Duration::ZERO);
    let announced = drain(&mut protocol);
    assert!(
        matches!(announced[..], [Output::Send(_, Command::RaiseMaxLease(WAITER_LEASE))]),
        "{announced:?}"
    );
    protocol.acquire(at(1.0), RequestParams { ttl: short, ..request(1) });
    let (_, call) = sent(&mut protocol);
    let Command::Acquire(acquire) = call else { panic!("{call:?}") };
    assert!(
        acquire.request.data_loss_grace.max_lease >= WAITER_LEASE,
        "{:?}",
        acquire.request.data_loss_grace
    );
}

#[test]
fn a_hold_whose_push_overtook_an_acquire_is_cancelled_so_that_it_is_not_queued_again() {
    let pushed_while_asking = || {
        let mut protocol = queued();
        protocol.tick(at(1.7));
        let (id, _) = sent(&mut protocol);
        protocol.reply(at(1.7), id, Ok(Reply::Renewed(vec![RenewalReply::AcquireAgain])));
        let (id, _) = sent(&mut protocol);
        protocol.notification(at(1.71), granted_by_push(11));
        assert!(matches!(drain(&mut protocol)[..], [Output::Granted { .. }]));
        (protocol, id)
    };
    let (mut protocol, _) = pushed_while_asking();
    protocol.release(at(1.72), RequestId::from_bits(1));
    let (_, call) = sent(&mut protocol);
    assert!(matches!(call, Command::Cancel { tombstone: Duration::ZERO, .. }), "{call:?}");

    let (mut protocol, id) = pushed_while_asking();
    protocol.reply(at(1.72), id, busy(Some(TTL)));
    protocol.release(at(1.73), RequestId::from_bits(1));
    let (_, call) = sent(&mut protocol);
    assert!(matches!(call, Command::Cancel { .. }), "in the queue again: {call:?}");

    let (mut protocol, id) = pushed_while_asking();
    protocol.reply(at(1.72), id, granted(11));
    drain(&mut protocol);
    protocol.release(at(1.73), RequestId::from_bits(1));
    let (_, call) = sent(&mut protocol);
    assert!(matches!(call, Command::Release { .. }), "it had the hold: {call:?}");
}
