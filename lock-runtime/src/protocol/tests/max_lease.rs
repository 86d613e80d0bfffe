//! The bound on all leases: what is announced, when, and what is said of it.

use super::*;
use crate::protocol::Protocol;
use crate::protocol::request::{CommandError, Failure, Output, RequestParams};
use crate::protocol::timing::Timing;
use crate::types::request_id::RequestId;
use crate::wire::command::{Acquire, Command};
use crate::wire::keyspace::DataLossGrace;
use crate::wire::reply::{AcquireReply, BlockedBy, BusyReply, Notification, Reply};

const LONG: Duration = Duration::from_mins(10);

fn announced(output: Option<Output>) -> Duration {
    match output {
        Some(Output::Send(_, Command::RaiseMaxLease(max_lease))) => max_lease,
        other => panic!("{other:?} announces nothing"),
    }
}

fn may_be_on_server(output: Option<Output>) -> Acquire {
    match output {
        Some(Output::Send(_, Command::Acquire(acquire))) => acquire,
        other => panic!("{other:?} asks for nothing"),
    }
}

fn long_request(bits: u128) -> RequestParams {
    RequestParams { ttl: LONG, ..request(bits) }
}

#[test]
fn a_lease_that_is_longer_than_all_before_is_announced_ahead_of_the_call_that_writes_it() {
    let mut protocol = connected();
    protocol.acquire(at(1.0), long_request(1));
    let max_lease = announced(protocol.poll_output());
    let acquire = may_be_on_server(protocol.poll_output());
    assert!(max_lease >= acquire.ttl, "{max_lease:?} covers {:?}", acquire.ttl);
    assert_eq!(acquire.request.data_loss_grace, DataLossGrace { max_lease, waits: true });
    protocol.acquire(at(1.1), long_request(2));
    may_be_on_server(protocol.poll_output());
    assert_eq!(protocol.poll_output(), None, "once is enough");
}

#[test]
fn a_nested_call_that_lengthens_a_hold_is_announced_ahead_of_its_renewal() {
    let mut protocol = holding();
    protocol.raise_ttl(at(2.0), RequestId::from_bits(1), LONG);
    protocol.tick(at(2.0));
    announced(protocol.poll_output());
    let renewal = protocol.poll_output();
    assert!(matches!(renewal, Some(Output::Send(_, Command::Renew(_)))), "{renewal:?}");
}

#[test]
fn what_others_announce_and_what_the_server_knows_is_what_a_loss_is_waited_out_for() {
    let mut protocol = connected();
    protocol.notification(at(1.0), Notification::MaxLease(LONG));
    protocol.acquire(at(1.0), request(1));
    assert_eq!(may_be_on_server(protocol.poll_output()).request.data_loss_grace.max_lease, LONG);

    let mut protocol = connected();
    protocol.disconnected(at(1.0), "gone".to_owned());
    protocol.connected(at(1.1), LONG * 2);
    protocol.acquire(at(1.2), request(1));
    assert_eq!(
        may_be_on_server(protocol.poll_output()).request.data_loss_grace.max_lease,
        LONG * 2
    );
}

#[test]
fn a_server_that_knows_of_a_shorter_lease_gets_an_announcement_when_connected() {
    let mut protocol = connected();
    protocol.notification(at(1.0), Notification::MaxLease(LONG));
    protocol.disconnected(at(1.0), "gone".to_owned());
    protocol.connected(at(1.1), BOUND);
    assert_eq!(announced(protocol.poll_output()), LONG);
}

#[test]
fn an_announcement_that_the_server_cannot_take_is_repeated() {
    let mut protocol = connected();
    protocol.acquire(at(1.0), long_request(1));
    let Some(Output::Send(id, Command::RaiseMaxLease(max_lease))) = protocol.poll_output() else {
        panic!("not announced")
    };
    drain(&mut protocol);
    protocol.reply(at(1.1), id, Err(CommandError::TryAgain("BUSY".to_owned())));
    let due = protocol.next_tick().unwrap();
    assert!(due < at(1.2), "{due:?}");
    protocol.tick(due);
    assert_eq!(announced(protocol.poll_output()), max_lease);
    assert!(protocol.next_tick().is_none_or(|next| next > due), "announced, and nothing is due");
}

#[test]
fn a_process_that_does_not_wait_out_a_loss_says_so_and_how_long_others_have_to() {
    let timing = Timing { data_loss_grace: false, ..Timing::default() };
    let mut protocol = Protocol::new(at(0.0), timing, "inbox".to_owned(), TTL);
    protocol.connected(at(0.0), BOUND);
    protocol.acquire(at(1.0), request(1));
    let data_loss_grace = may_be_on_server(protocol.poll_output()).request.data_loss_grace;
    assert_eq!(data_loss_grace, DataLossGrace { max_lease: BOUND, waits: false });
}

#[test]
fn a_request_whose_deadline_comes_before_the_end_of_a_loss_of_data_fails_at_once() {
    let lost = |left| {
        let busy = BusyReply {
            blocked_by: BlockedBy::DataLoss,
            left: Some(left),
            ahead: 0,
            ticket: Some(7),
        };
        Ok(Reply::Acquire(AcquireReply::Busy(busy)))
    };
    let waits = |span| {
        let mut protocol = connected();
        protocol
            .acquire(at(1.0), RequestParams { deadline: Some(at(1.0).plus(span)), ..request(1) });
        let (id, _) = sent(&mut protocol);
        protocol.reply(at(1.0), id, lost(LONG));
        drain(&mut protocol)
    };
    let id = RequestId::from_bits(1);
    let failed = &waits(LONG / 2)[0];
    assert!(matches!(failed, Output::Failed(_, Failure::Busy(_))), "{failed:?}");
    assert_eq!(waits(LONG * 2), [Output::NoGrantBefore(id, at(1.0).plus(LONG))]);
}
