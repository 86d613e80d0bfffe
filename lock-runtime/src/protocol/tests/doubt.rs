//! Grants of a server that may have been replaced as the primary.

use std::time::Duration;

use super::*;
use crate::protocol::Protocol;
use crate::protocol::request::{Output, RequestParams};
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::command::Command;
use crate::wire::reply::Reply;

/// Connected at 0.0 to a primary with a replica.
fn replicated() -> Protocol {
    let mut protocol = Protocol::new(at(0.0), Timing::default(), "inbox".to_owned(), TTL);
    protocol.set_online_replicas(at(0.0), 1);
    protocol.connected(at(0.0), BOUND);
    protocol
}

/// Whether it connects again, and asks there for the lock.
#[track_caller]
fn assert_asks_again(protocol: &mut Protocol, now: Timestamp) {
    assert_eq!(drain(protocol), [Output::Reconnect]);
    protocol.connected(now, BOUND);
    let asked = drain(protocol).into_iter().find_map(|output| match output {
        Output::Send(id, Command::Acquire(_)) => Some(id),
        _ => None,
    });
    protocol.reply(now, asked.expect("an acquire"), busy(Some(TTL)));
    assert_eq!(drain(protocol), [], "another has it");
}

fn is_granted(protocol: &mut Protocol) -> bool {
    matches!(drain(protocol)[..], [Output::Granted { .. }])
}

#[test]
fn a_grant_that_comes_late_is_asked_for_again_on_another_connection() {
    let mut protocol = replicated();
    protocol.acquire(at(10.0), request(1));
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(10.6), id, granted(10));
    assert_asks_again(&mut protocol, at(10.7));
}

#[test]
fn a_grant_is_shown_at_once_if_it_is_in_time_or_nobody_can_have_taken_over() {
    let granted_after = |mut protocol: Protocol, asked: f64, answered: f64| {
        protocol.acquire(at(asked), request(1));
        let (id, _) = sent(&mut protocol);
        protocol.reply(at(answered), id, granted(10));
        is_granted(&mut protocol)
    };
    assert!(granted_after(replicated(), 10.0, 10.4), "in time");
    assert!(granted_after(replicated(), 1.0, 1.6), "it has just been found to be the primary");
    assert!(granted_after(connected(), 10.0, 10.6), "it has no replica");
    let mut slow = replicated();
    slow.acquire(at(1.0), request(2));
    let (id, _) = sent(&mut slow);
    slow.reply(at(1.4), id, busy(Some(TTL)));
    assert!(granted_after(slow, 10.0, 10.6), "the network is slow");
}

#[test]
fn a_list_of_keys_that_is_granted_late_is_taken_one_by_one() {
    let mut protocol = replicated();
    protocol.acquire_all(at(10.0), vec![request(1), request(2)]);
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(10.6), id, Ok(Reply::AcquiredAll(Some(fences(10)))));
    let outputs = drain(&mut protocol);
    assert!(matches!(outputs[..], [Output::Reconnect, Output::NotTogether(_)]), "{outputs:?}");
}

#[test]
fn a_push_of_a_server_that_was_silent_is_asked_for_again() {
    let waiting = || {
        let mut protocol = replicated();
        protocol.acquire(at(10.0), request(1));
        let (id, _) = sent(&mut protocol);
        protocol.reply(at(10.0), id, busy(Some(TTL)));
        let refresh = protocol.next_tick().expect("it is refreshed");
        protocol.tick(refresh);
        let (id, call) = sent(&mut protocol);
        assert!(matches!(call, Command::Renew(_)), "{call:?}");
        (protocol, refresh, id)
    };
    let late = |refresh: Timestamp| refresh.plus(Duration::from_millis(600));
    let (mut protocol, refresh, _) = waiting();
    protocol.notification(late(refresh), granted_by_push(11));
    assert_asks_again(&mut protocol, late(refresh));
    let (mut protocol, refresh, id) = waiting();
    let answer = Ok(still_waiting());
    protocol.reply(refresh, id, answer);
    protocol.notification(late(refresh), granted_by_push(11));
    assert!(is_granted(&mut protocol), "it was not silent");
}

#[test]
fn a_server_in_doubt_is_asked_twice_for_each_grant() {
    let mut protocol = replicated();
    protocol.set_in_doubt(true);
    protocol.acquire(at(10.0), request(1));
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(10.001), id, granted(10));
    let (id, call) = sent(&mut protocol);
    assert!(matches!(call, Command::Acquire(_)), "{call:?}");
    protocol.reply(at(10.002), id, granted(10));
    assert!(is_granted(&mut protocol));

    let mut protocol = replicated();
    protocol.acquire(at(10.0), request(1));
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(10.001), id, busy(Some(TTL)));
    protocol.set_in_doubt(true);
    protocol.notification(at(10.1), granted_by_push(11));
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(10.101), id, granted(11));
    assert!(is_granted(&mut protocol), "the push was the first answer");

    let mut protocol = replicated();
    protocol.set_in_doubt(true);
    protocol.acquire_all(at(10.0), vec![request(1), request(2)]);
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(10.001), id, Ok(Reply::AcquiredAll(Some(FenceRange::new(Fence::new(9), 2)))));
    let outputs = drain(&mut protocol);
    assert!(outputs.iter().any(|output| matches!(output, Output::NotTogether(_))), "{outputs:?}");
    assert!(!outputs.iter().any(|output| matches!(output, Output::Granted { .. })), "{outputs:?}");
}

#[test]
fn a_grant_that_a_server_in_doubt_takes_back_is_not_shown() {
    let mut protocol = replicated();
    protocol.set_in_doubt(true);
    protocol.acquire(at(10.0), request(1));
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(10.001), id, granted(10));
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(10.002), id, busy(Some(TTL)));
    assert_eq!(drain(&mut protocol), []);
    // The next grant is the first answer again.
    protocol.notification(at(10.1), granted_by_push(11));
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(10.101), id, granted(11));
    assert!(is_granted(&mut protocol));
}

#[test]
fn a_request_that_tries_once_is_asked_for_again_too() {
    let mut protocol = replicated();
    protocol.acquire(at(10.0), RequestParams { queue: false, ..request(1) });
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(10.6), id, granted(10));
    assert_eq!(drain(&mut protocol), [Output::Reconnect]);
    protocol.connected(at(10.7), BOUND);
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(10.7), id, busy(Some(TTL)));
    let outputs = drain(&mut protocol);
    let id = RequestId::from_bits(1);
    assert!(matches!(outputs[0], Output::Failed(of, Failure::Busy(_)) if of == id), "{outputs:?}");
}
