//! Ends that go unanswered, and calls that the server refuses.

use super::*;
use crate::protocol::request::{CommandError, Loss, Output, RequestParams};
use crate::types::request_id::RequestId;
use crate::wire::command::Command;
use crate::wire::reply::{Notification, RenewalReply, Reply};

fn refused(why: &str) -> Result<Reply, CommandError> {
    Err(CommandError::Refused(why.to_owned()))
}

fn ended_with(outcome: ReleaseOutcome) -> Output {
    Output::Finished(RequestId::from_bits(1), outcome)
}

#[test]
fn an_end_that_went_unanswered_and_then_finds_nothing_is_no_loss() {
    let mut protocol = holding();
    protocol.release(at(2.0), RequestId::from_bits(1));
    let (_, call) = sent(&mut protocol);
    assert!(matches!(call, Command::Release { .. }), "{call:?}");
    protocol.disconnected(at(2.1), "reset".to_owned());
    protocol.connected(at(2.2), BOUND);
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(2.3), id, Ok(Reply::Released(false)));
    assert_eq!(drain(&mut protocol), [ended_with(ReleaseOutcome::Unknown)]);
}

#[test]
fn an_end_that_was_never_sent_before_says_what_it_found() {
    for (held, outcome) in [(true, ReleaseOutcome::Held), (false, ReleaseOutcome::NotHeld)] {
        let mut protocol = holding();
        protocol.disconnected(at(1.9), "reset".to_owned());
        protocol.release(at(2.0), RequestId::from_bits(1));
        assert_eq!(drain(&mut protocol), []);
        protocol.connected(at(2.2), BOUND);
        let (id, _) = sent(&mut protocol);
        protocol.reply(at(2.3), id, Ok(Reply::Released(held)));
        assert_eq!(drain(&mut protocol), [ended_with(outcome)]);
    }
}

#[test]
fn a_rejected_release_is_reported_once_and_tried_again() {
    let mut protocol = holding();
    protocol.release(at(2.0), RequestId::from_bits(1));
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(2.1), id, refused("NOPERM"));
    let (id, key, why) = (RequestId::from_bits(1), "key".into(), "NOPERM".into());
    assert_eq!(drain(&mut protocol), [Output::ReleaseRefused { id, key, why }]);
    protocol.tick(at(2.2));
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(2.3), id, refused("NOPERM"));
    assert_eq!(drain(&mut protocol), []);
    protocol.tick(at(2.5));
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(2.6), id, Ok(Reply::Released(true)));
    assert_eq!(drain(&mut protocol), [ended_with(ReleaseOutcome::Held)]);
}

#[test]
fn a_hold_whose_renewals_are_rejected_is_lost_with_that_error() {
    let mut protocol = holding();
    let (mut losses, mut end) = (0, None);
    while let Some(now) = protocol.next_tick().filter(|_| end.is_none()) {
        protocol.tick(now);
        let mut outputs = drain(&mut protocol);
        while let Some(output) = outputs.pop() {
            match output {
                Output::Send(id, Command::Renew(_)) => {
                    protocol.reply(now, id, refused("READONLY"));
                    outputs.extend(drain(&mut protocol));
                }
                Output::RenewalsRefused(ids, why) => {
                    assert_eq!((&ids[..], &*why), (&[RequestId::from_bits(1)][..], "READONLY"));
                    losses += 1;
                }
                Output::Lost(_, loss) => end = Some(loss),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((losses, end), (1, Some(Loss::Refused("READONLY".into()))));
}

#[test]
fn a_renewal_that_was_taken_again_is_forgotten_as_a_cause() {
    let mut protocol = holding();
    let renewal = protocol.next_tick().expect("a renewal is due");
    protocol.tick(renewal);
    let (id, _) = sent(&mut protocol);
    protocol.reply(renewal, id, refused("READONLY"));
    drain(&mut protocol);
    let again = protocol.next_tick().expect("it is tried again");
    protocol.tick(again);
    let (id, _) = sent(&mut protocol);
    protocol.reply(again, id, Ok(Reply::Renewed(vec![RenewalReply::Renewed])));
    protocol.disconnected(again, "reset".to_owned());
    drain(&mut protocol);
    protocol.tick(at(200.0));
    assert_eq!(drain(&mut protocol), [Output::Lost(RequestId::from_bits(1), Loss::Expired)]);
}

#[test]
fn a_waiter_that_has_become_first_asks_when_the_hold_before_it_is_over() {
    let mut protocol = queued();
    protocol.notification(
        at(1.1),
        Notification::FirstInQueue(RequestId::from_bits(1), Duration::from_millis(300)),
    );
    let due = protocol.next_tick().expect("it asks");
    assert!(due > at(1.4) && due < at(1.42), "{due:?}");
    protocol.tick(due);
    assert!(matches!(sent(&mut protocol).1, Command::Acquire(_)));
    // Of a hold that was not waited for, or of no request at all, it means nothing.
    let mut protocol = holding();
    protocol
        .notification(at(1.1), Notification::FirstInQueue(RequestId::from_bits(1), Duration::ZERO));
    protocol
        .notification(at(1.1), Notification::FirstInQueue(RequestId::from_bits(2), Duration::ZERO));
    protocol.tick(at(1.2));
    assert_eq!(drain(&mut protocol), []);
}

#[test]
fn a_pushed_grant_lasts_no_longer_than_its_ttl_from_the_last_word_that_it_waits() {
    let ttl = Duration::from_millis(300);
    let mut protocol = connected();
    protocol.acquire(at(1.0), RequestParams { ttl, ..request(1) });
    let (id, call) = sent(&mut protocol);
    let Command::Acquire(ask) = call else { panic!("{call:?}") };
    assert!(ask.ttl < Duration::from_millis(310), "{:?}", ask.ttl);
    protocol.reply(at(1.001), id, busy(Some(TTL)));
    protocol.notification(at(1.1), granted_by_push(11));
    let [Output::Granted { valid_until, .. }] = drain(&mut protocol)[..] else {
        panic!("no grant")
    };
    assert_eq!(valid_until, at(1.0).plus(valid(ttl)));
    // With less than half of it left it is confirmed first.
    let mut protocol = connected();
    protocol.acquire(at(1.0), RequestParams { ttl, ..request(1) });
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(1.001), id, busy(Some(TTL)));
    protocol.notification(at(1.2), granted_by_push(11));
    assert!(matches!(sent(&mut protocol).1, Command::Acquire(_)));
}

#[test]
fn a_longer_ttl_is_written_once_to_a_hold_without_renewals() {
    let mut protocol = connected();
    protocol.acquire(at(1.0), RequestParams { renew: false, ..request(1) });
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(1.0), id, granted(10));
    drain(&mut protocol);
    protocol.check_claimed_at(at(1.0), RequestId::from_bits(1), None);
    protocol.raise_ttl(at(2.0), RequestId::from_bits(1), TTL * 2);
    protocol.tick(at(2.0));
    let (id, call) = sent(&mut protocol);
    assert!(matches!(call, Command::Renew(_)), "{call:?}");
    protocol.reply(at(2.1), id, Ok(Reply::Renewed(vec![RenewalReply::Renewed])));
    let until = at(2.0).plus(valid(TTL * 2));
    assert_eq!(drain(&mut protocol), [Output::Extended(RequestId::from_bits(1), until)]);
    while let Some(now) = protocol.next_tick().filter(|&now| now < until) {
        protocol.tick(now);
    }
    let outputs = drain(&mut protocol);
    assert!(
        outputs.iter().all(|output| matches!(output, Output::CheckClaimed(_))),
        "no other: {outputs:?}"
    );
    protocol.tick(until);
    assert_eq!(drain(&mut protocol), [Output::Lost(RequestId::from_bits(1), Loss::Expired)]);
}

#[test]
fn a_server_that_never_has_the_script_is_named_when_the_outage_timeout_is_over() {
    let mut protocol = connected();
    protocol.acquire(at(1.0), request(1));
    let (mut now, mut asked) = (at(1.0), 0);
    let failure = loop {
        match drain(&mut protocol)[..] {
            [Output::Send(id, Command::Acquire(_))] => {
                asked += 1;
                protocol.reply(now, id, Err(CommandError::ScriptMissing));
            }
            [Output::Failed(_, ref failure), ..] => break failure.clone(),
            ref others => assert!(others.is_empty(), "{others:?}"),
        }
        now = protocol.next_tick().expect("it is asked again");
        protocol.tick(now);
    };
    assert!(matches!(&failure, Failure::Unavailable(why) if why.contains("NOSCRIPT")));
    // The second time at once, then with pauses that grow to 250 ms, for 5 s.
    assert!((24..=32).contains(&asked), "{asked}");
}
