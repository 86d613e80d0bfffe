//! What arrives so late that it says less than it seems to.

use super::*;
use crate::protocol::Protocol;
use crate::protocol::request::{CommandError, Output, RequestParams};
use crate::protocol::timing::Timing;
use crate::types::request_id::RequestId;
use crate::wire::command::{Command, Renewal};
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

/// A request that was granted token 11 by a push while it asked again, and the call in flight.
fn pushed_while_asking() -> (Protocol, CommandId) {
    let mut protocol = queued();
    protocol.tick(at(1.7));
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(1.7), id, Ok(Reply::Renewed(vec![RenewalReply::AcquireAgain])));
    let (id, _) = sent(&mut protocol);
    protocol.notification(at(1.71), granted_by_push(11));
    assert!(matches!(drain(&mut protocol)[..], [Output::Granted { .. }]));
    (protocol, id)
}

#[test]
fn a_hold_is_lost_when_another_is_granted_although_its_request_may_get_the_lock_again() {
    let is_lost = |protocol: &mut Protocol| {
        let outputs = drain(protocol);
        matches!(outputs[..], [Output::Lost(_, Loss::NotOnServer)])
    };
    let cancels = |mut protocol: Protocol| {
        protocol.release(at(1.8), RequestId::from_bits(1));
        let (_, call) = sent(&mut protocol);
        assert!(matches!(call, Command::Cancel { .. }), "{call:?}");
    };

    // The reply is of before the grant.
    let (mut protocol, id) = pushed_while_asking();
    protocol.reply(at(1.72), id, Ok(busy_with(10)));
    assert_eq!(drain(&mut protocol), []);
    cancels(protocol);

    // The key was deleted, another request holds it, and this one is in the queue again.
    let (mut protocol, id) = pushed_while_asking();
    protocol.reply(at(1.72), id, Ok(busy_with(12)));
    assert!(is_lost(&mut protocol));
    cancels(protocol);

    // This one got it after the other, by the acquire that was under way.
    let (mut protocol, id) = pushed_while_asking();
    protocol.reply(at(1.72), id, granted(13));
    assert!(is_lost(&mut protocol));
    cancels(protocol);

    // By a push.
    let (mut protocol, _) = pushed_while_asking();
    protocol.notification(at(1.72), granted_by_push(11));
    assert_eq!(drain(&mut protocol), [], "the same grant");
    protocol.notification(at(1.73), granted_by_push(13));
    assert!(is_lost(&mut protocol));
    cancels(protocol);
}

#[test]
fn a_renewal_and_a_cancel_name_the_token_of_the_hold() {
    let (mut protocol, _) = pushed_while_asking();
    protocol.tick(at(1.76));
    let (_, call) = sent(&mut protocol);
    let Command::Renew(entries) = call else { panic!("{call:?}") };
    assert!(
        matches!(entries[..], [Renewal::Hold { fence, .. }] if fence == Fence::new(11)),
        "{entries:?}"
    );
    protocol.release(at(1.8), RequestId::from_bits(1));
    let (_, call) = sent(&mut protocol);
    assert!(
        matches!(call, Command::Cancel { fence, .. } if fence == Fence::new(11)),
        "the reply tells whether that hold was still there: {call:?}"
    );
}

#[test]
fn a_lost_hold_is_cancelled_if_its_acquire_may_still_arrive() {
    let mut protocol = connected();
    protocol.acquire(at(1.0), request(1));
    sent(&mut protocol);
    protocol.disconnected(at(1.1), "reset".to_owned());
    protocol.connected(at(1.2), BOUND);
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(1.3), id, granted(11));
    drain(&mut protocol);
    taken_up(&mut protocol, 1);
    // The acquire of the first connection has arrived, and the hold has another token.
    protocol.renew_now(at(2.0), RequestId::from_bits(1), TTL);
    protocol.tick(at(2.0));
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(2.1), id, Ok(Reply::Renewed(vec![RenewalReply::NotHeld])));
    let lost = Output::Lost(RequestId::from_bits(1), Loss::NotOnServer);
    assert_eq!(drain(&mut protocol), [lost]);
    protocol.release(at(2.2), RequestId::from_bits(1));
    let (_, call) = sent(&mut protocol);
    assert!(matches!(call, Command::Cancel { tombstone, .. } if !tombstone.is_zero()), "{call:?}");
}
