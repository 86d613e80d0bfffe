//! The bound on all leases: what is announced, when, and what is said of it.

use super::*;
use crate::protocol::claim::{Failure, Request};
use crate::protocol::machine::{CallError, Machine, Output};
use crate::protocol::timing::Timing;
use crate::types::request_id::Nonce;
use crate::wire::bound::Quarantine;
use crate::wire::call::{Acquire, Call};
use crate::wire::reply::{AcquireReply, Busy, Notice, Obstacle, Reply};

const LONG: Duration = Duration::from_mins(10);

fn announced(output: Option<Output>) -> Duration {
    match output {
        Some(Output::Send(_, Call::Raise(bound))) => bound,
        other => panic!("{other:?} announces nothing"),
    }
}

fn asked(output: Option<Output>) -> Acquire {
    match output {
        Some(Output::Send(_, Call::Acquire(acquire))) => acquire,
        other => panic!("{other:?} asks for nothing"),
    }
}

fn long_request(bits: u128) -> Request {
    Request { ttl: LONG, ..request(bits) }
}

#[test]
fn a_lease_that_is_longer_than_all_before_is_announced_ahead_of_the_call_that_writes_it() {
    let mut machine = connected();
    machine.request(at(1.0), long_request(1));
    let bound = announced(machine.poll_output());
    let acquire = asked(machine.poll_output());
    assert!(bound >= acquire.ttl, "{bound:?} covers {:?}", acquire.ttl);
    assert_eq!(acquire.give.quarantine, Quarantine { bound, waits: true });
    machine.request(at(1.1), long_request(2));
    asked(machine.poll_output());
    assert_eq!(machine.poll_output(), None, "once is enough");
}

#[test]
fn a_nested_call_that_lengthens_a_hold_is_announced_ahead_of_its_renewal() {
    let mut machine = holding();
    machine.lengthen(at(2.0), Nonce::from_bits(1), LONG);
    machine.tick(at(2.0));
    announced(machine.poll_output());
    let renewal = machine.poll_output();
    assert!(matches!(renewal, Some(Output::Send(_, Call::Renew(_)))), "{renewal:?}");
}

#[test]
fn what_others_announce_and_what_the_server_knows_is_what_a_loss_is_waited_out_for() {
    let mut machine = connected();
    machine.notice(at(1.0), Notice::Bound(LONG));
    machine.request(at(1.0), request(1));
    assert_eq!(asked(machine.poll_output()).give.quarantine.bound, LONG);

    let mut machine = connected();
    machine.disconnected(at(1.0), "gone".to_owned());
    machine.connected(at(1.1), LONG * 2);
    machine.request(at(1.2), request(1));
    assert_eq!(asked(machine.poll_output()).give.quarantine.bound, LONG * 2);
}

#[test]
fn a_server_that_knows_of_less_than_this_process_is_told_when_it_is_connected() {
    let mut machine = connected();
    machine.notice(at(1.0), Notice::Bound(LONG));
    machine.disconnected(at(1.0), "gone".to_owned());
    machine.connected(at(1.1), BOUND);
    assert_eq!(announced(machine.poll_output()), LONG);
}

#[test]
fn a_server_that_cannot_take_an_announcement_is_told_again() {
    let mut machine = connected();
    machine.request(at(1.0), long_request(1));
    let Some(Output::Send(id, Call::Raise(bound))) = machine.poll_output() else {
        panic!("not announced")
    };
    drain(&mut machine);
    machine.reply(at(1.1), id, Err(CallError::NotNow("BUSY".to_owned())));
    let due = machine.next_tick().unwrap();
    assert!(due < at(1.2), "{due:?}");
    machine.tick(due);
    assert_eq!(announced(machine.poll_output()), bound);
    assert!(machine.next_tick().is_none_or(|next| next > due), "announced, and nothing is due");
}

#[test]
fn a_process_that_does_not_wait_out_a_loss_says_so_and_how_long_others_have_to() {
    let timing = Timing { quarantine: false, ..Timing::default() };
    let mut machine = Machine::new(at(0.0), timing, "inbox".to_owned(), TTL);
    machine.connected(at(0.0), BOUND);
    machine.request(at(1.0), request(1));
    let quarantine = asked(machine.poll_output()).give.quarantine;
    assert_eq!(quarantine, Quarantine { bound: BOUND, waits: false });
}

#[test]
fn a_request_whose_deadline_comes_before_the_end_of_a_loss_of_data_fails_at_once() {
    let lost = |left| {
        let busy =
            Busy { obstacle: Obstacle::DataLoss, left: Some(left), ahead: 0, ticket: Some(7) };
        Ok(Reply::Acquire(AcquireReply::Busy(busy)))
    };
    let waits = |span| {
        let mut machine = connected();
        machine.request(at(1.0), Request { deadline: Some(at(1.0).plus(span)), ..request(1) });
        let (id, _) = sent(&mut machine);
        machine.reply(at(1.0), id, lost(LONG));
        drain(&mut machine)
    };
    let nonce = Nonce::from_bits(1);
    let failed = &waits(LONG / 2)[0];
    assert!(matches!(failed, Output::Failed(_, Failure::Busy(_))), "{failed:?}");
    assert_eq!(waits(LONG * 2), [Output::NothingBefore(nonce, at(1.0).plus(LONG))]);
}
