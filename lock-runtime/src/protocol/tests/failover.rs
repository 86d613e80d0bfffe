//! A server that was promoted or restarted: holds that it does not know, and releases that it may
//! have missed.

use std::time::Duration;

use crate::protocol::Protocol;
use crate::protocol::request::{
    CommandError, CommandId, Loss, Output, ReleaseOutcome, RequestParams,
};
use crate::protocol::tests::{
    BOUND, TTL, at, connected, drain, granted, holding, request, sent, taken_up,
};
use crate::protocol::timing::TOMBSTONE;
use crate::types::fence::Fence;
use crate::types::request_id::RequestId;
use crate::wire::command::{Command, LostHold};
use crate::wire::keyspace::Mark;
use crate::wire::reply::{ReclaimReply, RenewalReply, Reply};

const ID: RequestId = RequestId::from_bits(1);

/// The protocol asks for the description of its hold, and gets it.
fn put_back(protocol: &mut Protocol, now: f64) {
    assert_eq!(drain(protocol), [Output::PutBack(ID)]);
    protocol.put_back(at(now), ID, Some(request(1).owner));
}

/// The connection breaks at 2.0, and there is one to the server with this mark at 2.5. Answers the
/// renewal.
fn reconnected(protocol: &mut Protocol, mark: u32, answer: RenewalReply) {
    protocol.disconnected(at(2.0), "reset".to_owned());
    protocol.set_mark(mark.into());
    protocol.connected(at(2.5), BOUND);
    let sent = drain(protocol).into_iter().find_map(|output| match output {
        Output::Send(id, Command::Renew(_)) => Some(id),
        _ => None,
    });
    protocol.reply(at(2.6), sent.expect("a renewal"), Ok(Reply::Renewed(vec![answer])));
}

#[test]
fn a_hold_that_a_promoted_server_does_not_know_is_put_back_under_its_token() {
    let mut protocol = holding();
    reconnected(&mut protocol, 7, RenewalReply::NotHeld);
    put_back(&mut protocol, 2.6);
    let (id, call) = sent(&mut protocol);
    let Command::Reclaim(acquire, lost) = call else { panic!("{call:?}") };
    let masters = [0, 0].map(Mark::from);
    assert_eq!((acquire.request.id, lost), (ID, LostHold { first: Fence::new(10), masters }));
    protocol.reply(at(2.7), id, Ok(Reply::Reclaimed(ReclaimReply::Held)));
    let outputs = drain(&mut protocol);
    assert!(matches!(outputs[..], [Output::Extended(ID, _), Output::Reclaimed(ID)]), "{outputs:?}");
}

#[test]
fn a_hold_is_put_back_beside_the_servers_that_have_granted_and_confirmed_it() {
    let mut protocol = holding();
    reconnected(&mut protocol, 7, RenewalReply::Renewed);
    drain(&mut protocol);
    protocol.disconnected(at(3.0), "reset".to_owned());
    protocol.set_mark(8.into());
    protocol.connected(at(3.5), BOUND);
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(3.6), id, Ok(Reply::Renewed(vec![RenewalReply::NotHeld])));
    put_back(&mut protocol, 3.6);
    let (_, call) = sent(&mut protocol);
    let Command::Reclaim(_, lost) = call else { panic!("{call:?}") };
    assert_eq!(lost.masters, [0, 7].map(Mark::from));
}

#[test]
fn a_hold_that_cannot_be_put_back_is_lost() {
    let mut protocol = holding();
    reconnected(&mut protocol, 7, RenewalReply::NotHeld);
    put_back(&mut protocol, 2.6);
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(2.7), id, Ok(Reply::Reclaimed(ReclaimReply::Refused)));
    assert_eq!(drain(&mut protocol), [Output::Lost(ID, Loss::NotOnServer)]);
}

#[test]
fn a_hold_without_a_section_is_not_put_back() {
    let mut protocol = holding();
    reconnected(&mut protocol, 7, RenewalReply::NotHeld);
    assert_eq!(drain(&mut protocol), [Output::PutBack(ID)]);
    protocol.put_back(at(2.6), ID, None);
    assert_eq!(drain(&mut protocol), [Output::Lost(ID, Loss::NotOnServer)]);
}

#[test]
fn a_hold_that_is_described_without_a_connection_is_renewed_by_the_next_one() {
    let mut protocol = holding();
    reconnected(&mut protocol, 7, RenewalReply::NotHeld);
    protocol.disconnected(at(2.7), "reset".to_owned());
    put_back(&mut protocol, 2.8);
    assert_eq!(drain(&mut protocol), []);
    protocol.connected(at(2.9), BOUND);
    assert!(matches!(sent(&mut protocol).1, Command::Renew(_)));
}

#[test]
fn a_hold_that_the_same_server_does_not_know_is_lost() {
    let mut protocol = holding();
    reconnected(&mut protocol, 0, RenewalReply::NotHeld);
    assert_eq!(drain(&mut protocol), [Output::Lost(ID, Loss::NotOnServer)]);
}

#[test]
fn a_hold_that_a_promoted_server_has_confirmed_is_lost_when_it_is_gone() {
    let mut protocol = holding();
    reconnected(&mut protocol, 7, RenewalReply::Renewed);
    drain(&mut protocol);
    protocol.renew_now(at(3.0), ID, crate::protocol::tests::TTL);
    protocol.tick(at(3.0));
    let (id, _) = sent(&mut protocol);
    let gone = Reply::Renewed(vec![RenewalReply::NotHeld]);
    protocol.reply(at(3.1), id, Ok(gone));
    assert_eq!(drain(&mut protocol), [Output::Lost(ID, Loss::NotOnServer)]);
}

#[test]
fn a_refused_attempt_to_put_a_hold_back_is_repeated() {
    let mut protocol = holding();
    reconnected(&mut protocol, 7, RenewalReply::NotHeld);
    put_back(&mut protocol, 2.6);
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(2.7), id, Err(CommandError::TryAgain("busy".to_owned())));
    protocol.tick(at(2.8));
    let (id, call) = sent(&mut protocol);
    assert!(matches!(call, Command::Renew(_)), "{call:?}");
    protocol.reply(at(2.9), id, Ok(Reply::Renewed(vec![RenewalReply::NotHeld])));
    put_back(&mut protocol, 2.9);
    assert!(matches!(sent(&mut protocol).1, Command::Reclaim(..)));
}

/// The reply to the attempt to put the hold back, and the next attempt some time later.
fn older_hold_is_there(protocol: &mut Protocol) {
    let (id, call) = sent(protocol);
    assert!(matches!(call, Command::Reclaim(..)), "{call:?}");
    protocol.reply(at(2.7), id, Ok(Reply::Reclaimed(ReclaimReply::OlderHold)));
    assert_eq!(drain(protocol), []);
    assert_eq!(protocol.next_tick(), Some(at(2.75)));
}

#[test]
fn a_hold_is_put_back_once_an_older_one_is_gone() {
    let mut protocol = holding();
    reconnected(&mut protocol, 7, RenewalReply::NotHeld);
    put_back(&mut protocol, 2.6);
    older_hold_is_there(&mut protocol);
    protocol.tick(at(2.75));
    put_back(&mut protocol, 2.75);
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(2.8), id, Ok(Reply::Reclaimed(ReclaimReply::Held)));
    let outputs = drain(&mut protocol);
    assert!(matches!(outputs[..], [Output::Extended(ID, _), Output::Reclaimed(ID)]), "{outputs:?}");
}

#[test]
fn a_hold_is_lost_if_an_older_one_stays_until_its_end() {
    let mut protocol = holding();
    reconnected(&mut protocol, 7, RenewalReply::NotHeld);
    put_back(&mut protocol, 2.6);
    let (id, _) = sent(&mut protocol);
    let reply = Ok(Reply::Reclaimed(ReclaimReply::OlderHold));
    protocol.reply(at(1.0).plus(TTL.mul_f64(0.983)), id, reply);
    assert_eq!(drain(&mut protocol), [Output::Lost(ID, Loss::NotOnServer)]);
}

#[test]
fn the_next_connection_begins_again_with_a_renewal_instead_of_an_older_hold() {
    let mut protocol = holding();
    reconnected(&mut protocol, 7, RenewalReply::NotHeld);
    put_back(&mut protocol, 2.6);
    older_hold_is_there(&mut protocol);
    protocol.disconnected(at(2.71), "reset".to_owned());
    protocol.tick(at(2.8));
    assert_eq!(drain(&mut protocol), []);
    protocol.connected(at(2.9), BOUND);
    assert!(matches!(sent(&mut protocol).1, Command::Renew(_)));
    protocol.tick(at(3.0));
    assert_eq!(drain(&mut protocol), [], "the renewal is under way");
}

#[test]
fn what_has_just_ended_is_cancelled_on_each_promoted_server() {
    for (mark, lost_at, repeated) in [(7, 3.0, true), (7, 30.0, false), (0, 3.0, false)] {
        let mut protocol = holding();
        protocol.release(at(1.5), ID);
        let (id, _) = sent(&mut protocol);
        protocol.reply(at(1.6), id, Ok(Reply::Released(true)));
        drain(&mut protocol);
        protocol.disconnected(at(lost_at), "reset".to_owned());
        protocol.set_mark(mark.into());
        protocol.connected(at(lost_at + 20.0), BOUND);
        let cancels = |protocol: &mut Protocol, now: f64| {
            let sent = cancelled(protocol);
            for &(id, _) in &sent {
                protocol.reply(at(now), id, Ok(Reply::Released(false)));
            }
            !sent.is_empty()
        };
        assert_eq!(cancels(&mut protocol, lost_at + 20.0), repeated, "{mark} {lost_at}");
        // The next failover may lose the repeated one, but not one that is 20 s old.
        for (after, again) in [(21.0, repeated), (50.0, false)] {
            protocol.disconnected(at(lost_at + after), "reset".to_owned());
            protocol.set_mark((mark + 1 + u32::from(again)).into());
            protocol.connected(at(lost_at + after), BOUND);
            assert_eq!(cancels(&mut protocol, lost_at + after), again, "{mark} {lost_at}");
        }
    }
}

/// The cancels of request 1 that were sent since the last look, and for how long each has acquires
/// refused.
fn cancelled(protocol: &mut Protocol) -> Vec<(CommandId, Duration)> {
    let cancels = drain(protocol).into_iter().filter_map(|output| match output {
        Output::Send(id, Command::Cancel { request, tombstone, .. }) if request.id == ID => {
            Some((id, tombstone))
        }
        _ => None,
    });
    cancels.collect()
}

#[test]
fn a_request_that_was_given_up_without_a_connection_is_refused_by_the_next_server() {
    let mut protocol = connected();
    protocol.acquire(at(1.0), request(1));
    assert!(matches!(sent(&mut protocol).1, Command::Acquire(_)));
    protocol.disconnected(at(1.5), "reset".to_owned());
    protocol.release(at(1.6), ID);
    // What it may have been granted has expired, but its acquire may still arrive.
    protocol.tick(at(100.0));
    assert!(drain(&mut protocol).contains(&Output::Finished(ID, ReleaseOutcome::Unknown)));
    for now in [101.0, 102.0] {
        protocol.connected(at(now), BOUND);
        let [(_, TOMBSTONE)] = cancelled(&mut protocol)[..] else { panic!("no tombstone") };
        // Nobody knows whether that arrived.
        protocol.disconnected(at(now + 0.5), "reset".to_owned());
    }
    protocol.connected(at(103.0), BOUND);
    let [(id, TOMBSTONE)] = cancelled(&mut protocol)[..] else { panic!("no tombstone") };
    protocol.reply(at(103.1), id, Ok(Reply::Released(false)));
    protocol.disconnected(at(104.0), "reset".to_owned());
    protocol.connected(at(105.0), BOUND);
    assert_eq!(cancelled(&mut protocol), [], "the server has it");
    protocol.disconnected(at(106.0), "reset".to_owned());
    protocol.set_mark(7.into());
    protocol.connected(at(107.0), BOUND);
    assert!(matches!(cancelled(&mut protocol)[..], [(_, TOMBSTONE)]), "another one may not");
}

#[test]
fn a_hold_without_renewal_is_put_back_for_what_is_left_of_it() {
    let mut protocol = connected();
    protocol.acquire(at(1.0), RequestParams { renew: false, ..request(1) });
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(1.001), id, granted(10));
    drain(&mut protocol);
    taken_up(&mut protocol, 1);
    protocol.disconnected(at(2.0), "reset".to_owned());
    protocol.set_mark(7.into());
    protocol.connected(at(11.0), BOUND);
    put_back(&mut protocol, 11.0);
    let reclaim = |protocol: &mut Protocol| {
        let sent = drain(protocol).into_iter().find_map(|output| match output {
            Output::Send(id, Command::Reclaim(acquire, _)) => Some((id, acquire.ttl)),
            _ => None,
        });
        sent.expect("the server may not know it")
    };
    let (id, _) = reclaim(&mut protocol);
    protocol.reply(at(11.05), id, Err(CommandError::TryAgain("busy".to_owned())));
    protocol.tick(protocol.next_tick().expect("the next attempt"));
    put_back(&mut protocol, 11.1);
    let (id, ttl) = reclaim(&mut protocol);
    let left = Duration::from_secs(19)..Duration::from_secs(21);
    assert!(left.contains(&ttl), "{ttl:?} of {TTL:?}");
    protocol.reply(at(11.1), id, Ok(Reply::Reclaimed(ReclaimReply::Held)));
    assert_eq!(drain(&mut protocol), [Output::Reclaimed(ID)]);
    // The server knows it now.
    protocol.disconnected(at(12.0), "reset".to_owned());
    protocol.connected(at(12.5), BOUND);
    let is_sent = |output: &Output| matches!(output, Output::Send(_, Command::Reclaim(..)));
    assert!(!drain(&mut protocol).iter().any(is_sent));
}

#[test]
fn the_latest_primaries_that_were_left_are_remembered() {
    let mut protocol = connected();
    assert_eq!(protocol.left_primaries(), []);
    for mark in [1, 1, 2, 3] {
        protocol.set_mark(mark.into());
    }
    assert_eq!(protocol.left_primaries(), [1.into(), 2.into()]);
    for mark in 4..20 {
        protocol.set_mark(mark.into());
    }
    assert_eq!(protocol.left_primaries(), [11, 12, 13, 14, 15, 16, 17, 18].map(Mark::from));
}
