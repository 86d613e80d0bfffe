//! What arrives so late that it says less than it seems to.

use super::*;
use crate::protocol::claim::Request;
use crate::protocol::machine::{CallError, Machine, Output};
use crate::protocol::timing::Timing;
use crate::types::request_id::Nonce;
use crate::wire::call::{Call, WAITER_LEASE};
use crate::wire::reply::{RenewalReply, Reply};

#[test]
fn a_push_of_before_the_request_was_asked_anew_is_confirmed_before_it_is_shown() {
    let mut machine = queued();
    machine.tick(at(1.7));
    let (id, _) = sent(&mut machine);
    machine.reply(at(1.7), id, Ok(Reply::Renewed(vec![RenewalReply::Ask])));
    let (id, _) = sent(&mut machine);
    machine.reply(at(1.7), id, Err(CallError::NotNow("LOADING".to_owned())));
    // The process stands still. What it waits for is pushed to it, and goes to another when nobody takes it up.
    machine.tick(at(9.0));
    let (_, call) = sent(&mut machine);
    assert!(matches!(call, Call::Acquire(_)), "{call:?}");
    machine.notice(at(9.0), pushed(11));
    let (_, call) = sent(&mut machine);
    assert!(matches!(call, Call::Acquire(_)), "asked for once more: {call:?}");
}

#[test]
fn a_loss_of_data_is_waited_out_for_as_long_as_a_pushed_grant_may_be_valid() {
    let short = Duration::from_millis(100);
    let mut machine = Machine::new(at(0.0), Timing::default(), "inbox".to_owned(), short);
    machine.connected(at(0.0), Duration::ZERO);
    let announced = drain(&mut machine);
    assert!(matches!(announced[..], [Output::Send(_, Call::Raise(WAITER_LEASE))]), "{announced:?}");
    machine.request(at(1.0), Request { ttl: short, ..request(1) });
    let (_, call) = sent(&mut machine);
    let Call::Acquire(acquire) = call else { panic!("{call:?}") };
    assert!(acquire.give.quarantine.bound >= WAITER_LEASE, "{:?}", acquire.give.quarantine);
}

#[test]
fn a_hold_that_was_pushed_while_it_was_asked_for_is_cancelled_lest_that_call_puts_it_into_the_queue_again()
 {
    let pushed_while_asking = || {
        let mut machine = queued();
        machine.tick(at(1.7));
        let (id, _) = sent(&mut machine);
        machine.reply(at(1.7), id, Ok(Reply::Renewed(vec![RenewalReply::Ask])));
        let (id, _) = sent(&mut machine);
        machine.notice(at(1.71), pushed(11));
        assert!(matches!(drain(&mut machine)[..], [Output::Granted { .. }]));
        (machine, id)
    };
    let (mut machine, _) = pushed_while_asking();
    machine.end(at(1.72), Nonce::from_bits(1));
    let (_, call) = sent(&mut machine);
    assert!(matches!(call, Call::Cancel { tombstone: Duration::ZERO, .. }), "{call:?}");

    let (mut machine, id) = pushed_while_asking();
    machine.reply(at(1.72), id, busy(Some(TTL)));
    machine.end(at(1.73), Nonce::from_bits(1));
    let (_, call) = sent(&mut machine);
    assert!(matches!(call, Call::Cancel { .. }), "in the queue again: {call:?}");

    let (mut machine, id) = pushed_while_asking();
    machine.reply(at(1.72), id, granted(11));
    drain(&mut machine);
    machine.end(at(1.73), Nonce::from_bits(1));
    let (_, call) = sent(&mut machine);
    assert!(matches!(call, Call::Release(_)), "it had the hold: {call:?}");
}
