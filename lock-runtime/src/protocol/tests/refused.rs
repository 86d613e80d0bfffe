//! Ends that go unanswered, and calls that the server refuses.

use super::*;
use crate::protocol::claim::{Loss, Request};
use crate::protocol::machine::{CallError, Output};
use crate::types::request_id::Nonce;
use crate::wire::call::Call;
use crate::wire::reply::{Notice, RenewalReply, Reply};

fn refused(why: &str) -> Result<Reply, CallError> {
    Err(CallError::Refused(why.to_owned()))
}

fn ended_with(held: Option<bool>) -> Output {
    Output::Ended(Nonce::from_bits(1), held)
}

#[test]
fn an_end_that_went_unanswered_and_then_finds_nothing_is_no_loss() {
    let mut machine = holding();
    machine.end(at(2.0), Nonce::from_bits(1));
    let (_, call) = sent(&mut machine);
    assert!(matches!(call, Call::Free(_)), "{call:?}");
    machine.disconnected(at(2.1), "reset".to_owned());
    machine.connected(at(2.2), BOUND);
    let (id, _) = sent(&mut machine);
    machine.reply(at(2.3), id, Ok(Reply::Ended(false)));
    assert_eq!(drain(&mut machine), [ended_with(None)]);
}

#[test]
fn an_end_that_was_never_sent_before_says_what_it_found() {
    for held in [true, false] {
        let mut machine = holding();
        machine.disconnected(at(1.9), "reset".to_owned());
        machine.end(at(2.0), Nonce::from_bits(1));
        assert_eq!(drain(&mut machine), []);
        machine.connected(at(2.2), BOUND);
        let (id, _) = sent(&mut machine);
        machine.reply(at(2.3), id, Ok(Reply::Ended(held)));
        assert_eq!(drain(&mut machine), [ended_with(Some(held))]);
    }
}

#[test]
fn an_end_that_is_refused_is_told_once_and_tried_again() {
    let mut machine = holding();
    machine.end(at(2.0), Nonce::from_bits(1));
    let (id, _) = sent(&mut machine);
    machine.reply(at(2.1), id, refused("NOPERM"));
    let (nonce, key, why) = (Nonce::from_bits(1), "key".into(), "NOPERM".into());
    assert_eq!(drain(&mut machine), [Output::EndRefused { nonce, key, why }]);
    machine.tick(at(2.2));
    let (id, _) = sent(&mut machine);
    machine.reply(at(2.3), id, refused("NOPERM"));
    assert_eq!(drain(&mut machine), []);
    machine.tick(at(2.4));
    let (id, _) = sent(&mut machine);
    machine.reply(at(2.5), id, Ok(Reply::Ended(true)));
    assert_eq!(drain(&mut machine), [ended_with(Some(true))]);
}

#[test]
fn a_hold_whose_renewals_are_refused_is_lost_for_that() {
    let mut machine = holding();
    let (mut told, mut end) = (0, None);
    while let Some(now) = machine.next_tick().filter(|_| end.is_none()) {
        machine.tick(now);
        let mut outputs = drain(&mut machine);
        while let Some(output) = outputs.pop() {
            match output {
                Output::Send(id, Call::Renew(_)) => {
                    machine.reply(now, id, refused("READONLY"));
                    outputs.extend(drain(&mut machine));
                }
                Output::RenewalsRefused(nonces, why) => {
                    assert_eq!((&nonces[..], &*why), (&[Nonce::from_bits(1)][..], "READONLY"));
                    told += 1;
                }
                Output::Lost(_, loss) => end = Some(loss),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((told, end), (1, Some(Loss::Refused("READONLY".into()))));
}

#[test]
fn a_renewal_that_was_taken_again_is_forgotten_as_a_cause() {
    let mut machine = holding();
    let renewal = machine.next_tick().expect("a renewal is due");
    machine.tick(renewal);
    let (id, _) = sent(&mut machine);
    machine.reply(renewal, id, refused("READONLY"));
    drain(&mut machine);
    let again = machine.next_tick().expect("it is tried again");
    machine.tick(again);
    let (id, _) = sent(&mut machine);
    machine.reply(again, id, Ok(Reply::Renewed(vec![RenewalReply::Renewed])));
    machine.disconnected(again, "reset".to_owned());
    drain(&mut machine);
    machine.tick(at(200.0));
    assert_eq!(drain(&mut machine), [Output::Lost(Nonce::from_bits(1), Loss::Expired)]);
}

#[test]
fn a_waiter_that_has_become_first_asks_when_the_hold_before_it_is_over() {
    let mut machine = queued();
    machine.notice(at(1.1), Notice::First(Nonce::from_bits(1), Duration::from_millis(300)));
    let due = machine.next_tick().expect("it asks");
    assert!(due > at(1.4) && due < at(1.42), "{due:?}");
    machine.tick(due);
    assert!(matches!(sent(&mut machine).1, Call::Acquire(_)));
    // Of a hold that was not waited for, or of no request at all, it means nothing.
    let mut machine = holding();
    machine.notice(at(1.1), Notice::First(Nonce::from_bits(1), Duration::ZERO));
    machine.notice(at(1.1), Notice::First(Nonce::from_bits(2), Duration::ZERO));
    machine.tick(at(1.2));
    assert_eq!(drain(&mut machine), []);
}

#[test]
fn a_pushed_grant_lasts_no_longer_than_its_ttl_from_the_last_word_that_it_waits() {
    let ttl = Duration::from_millis(300);
    let mut machine = connected();
    machine.request(at(1.0), Request { ttl, ..request(1) });
    let (id, call) = sent(&mut machine);
    let Call::Acquire(ask) = call else { panic!("{call:?}") };
    assert!(ask.ttl < Duration::from_millis(310), "{:?}", ask.ttl);
    machine.reply(at(1.001), id, busy(Some(TTL)));
    machine.notice(at(1.1), pushed(11));
    let [Output::Granted { valid_until, .. }] = drain(&mut machine)[..] else { panic!("no grant") };
    assert_eq!(valid_until, at(1.0).plus(valid(ttl)));
    // With less than half of it left it is confirmed first.
    let mut machine = connected();
    machine.request(at(1.0), Request { ttl, ..request(1) });
    let (id, _) = sent(&mut machine);
    machine.reply(at(1.001), id, busy(Some(TTL)));
    machine.notice(at(1.2), pushed(11));
    assert!(matches!(sent(&mut machine).1, Call::Acquire(_)));
}

#[test]
fn a_longer_ttl_is_written_once_to_a_hold_without_renewals() {
    let mut machine = connected();
    machine.request(at(1.0), Request { renew: false, ..request(1) });
    let (id, _) = sent(&mut machine);
    machine.reply(at(1.0), id, granted(10));
    drain(&mut machine);
    machine.look_again(Nonce::from_bits(1), None);
    machine.lengthen(at(2.0), Nonce::from_bits(1), TTL * 2);
    machine.tick(at(2.0));
    let (id, call) = sent(&mut machine);
    assert!(matches!(call, Call::Renew(_)), "{call:?}");
    machine.reply(at(2.1), id, Ok(Reply::Renewed(vec![RenewalReply::Renewed])));
    let until = at(2.0).plus(valid(TTL * 2));
    assert_eq!(drain(&mut machine), [Output::Extended(Nonce::from_bits(1), until)]);
    while let Some(now) = machine.next_tick().filter(|&now| now < until) {
        machine.tick(now);
    }
    let outputs = drain(&mut machine);
    assert!(
        outputs.iter().all(|output| matches!(output, Output::Look(_))),
        "no other: {outputs:?}"
    );
    machine.tick(until);
    assert_eq!(drain(&mut machine), [Output::Lost(Nonce::from_bits(1), Loss::Expired)]);
}
