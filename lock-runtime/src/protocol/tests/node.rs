//! A node of a cluster: requests that move with their slot, and what differs for each slot.

use std::time::Duration;

use crate::protocol::Protocol;
use crate::protocol::connection::ConnectErrorKind;
use crate::protocol::node::NodeContext;
use crate::protocol::request::{
    CommandError, CommandId, Failure, Loss, Output, Redirect, ReleaseOutcome, RequestParams,
};
use crate::protocol::tests::{
    BOUND, TTL, at, busy, busy_with, drain, fences, granted, request, sent, taken_up, valid,
};
use crate::protocol::timing::{TOMBSTONE, Timing};
use crate::types::fence::{Fence, FenceRange};
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::command::{Acquire, Command, OpenTokens, Renewal};
use crate::wire::keyspace::{Keyspace, Mark};
use crate::wire::reply::{Notification, ReclaimReply, RenewalReply, Reply};
use crate::wire::slot::Slot;

const ID: RequestId = RequestId::from_bits(1);

fn context() -> NodeContext {
    NodeContext::new(Keyspace::new("lock:").sharded())
}

fn unconnected(context: &NodeContext, mark: u32) -> Protocol {
    let protocol = Protocol::new(at(0.0), Timing::default(), "inbox".to_owned(), TTL);
    let mut protocol = protocol.of_node(context.clone());
    protocol.set_mark(Mark::from(mark));
    protocol
}

/// The protocol of a node whose master has this mark.
fn node(context: &NodeContext, mark: u32) -> Protocol {
    let mut protocol = unconnected(context, mark);
    protocol.connected(at(0.0), BOUND);
    protocol
}

/// Two nodes of a cluster.
fn nodes() -> (Protocol, Protocol) {
    let context = context();
    (node(&context, 1), node(&context, 2))
}

fn slot() -> Slot {
    Keyspace::new("lock:").sharded().slot("key")
}

fn moved() -> CommandError {
    CommandError::Moved(Redirect { slot: slot(), address: "other:1".into() })
}

fn asked() -> CommandError {
    CommandError::Asked(Redirect { slot: slot(), address: "other:1".into() })
}

fn try_again() -> CommandError {
    CommandError::TryAgain("TRYAGAIN Multiple keys request during rehashing of slot".to_owned())
}

/// All commands that were sent since the last look.
fn all_sent(protocol: &mut Protocol) -> Vec<(CommandId, Command)> {
    let commands = drain(protocol).into_iter().filter_map(|output| match output {
        Output::Send(id, command) => Some((id, command)),
        _ => None,
    });
    commands.collect()
}

/// The commands without their numbers.
fn commands(protocol: &mut Protocol) -> Vec<Command> {
    all_sent(protocol).into_iter().map(|(_, command)| command).collect()
}

/// Holds request 1 with token 10.
fn hold(protocol: &mut Protocol) {
    protocol.acquire(at(1.0), request(1));
    let (id, _) = sent(protocol);
    protocol.reply(at(1.001), id, granted(10));
    drain(protocol);
    taken_up(protocol, 1);
}

/// Holds request 1 with token 10, and releases it.
fn hold_and_release(protocol: &mut Protocol) {
    hold(protocol);
    protocol.release(at(1.5), ID);
    let (id, _) = sent(protocol);
    protocol.reply(at(1.6), id, Ok(Reply::Released(true)));
    drain(protocol);
}

/// Queues request 1, behind a holder that has 30 s left.
fn queue(protocol: &mut Protocol) {
    protocol.acquire(at(1.0), request(1));
    let (id, _) = sent(protocol);
    protocol.reply(at(1.001), id, busy(Some(TTL)));
    let sent = all_sent(protocol);
    let [(subscribe, Command::Subscribe(_)), (acquire, Command::Acquire(_))] = sent[..] else {
        panic!("{sent:?}")
    };
    protocol.reply(at(1.002), subscribe, Ok(Reply::Subscribed));
    protocol.reply(at(1.002), acquire, busy(Some(TTL)));
    assert_eq!(drain(protocol), []);
}

/// The slot moves from one node to the other.
fn move_slot(from: &mut Protocol, to: &mut Protocol, now: f64) {
    let moved = from.take(at(now), &|of| of == slot());
    to.adopt(at(now), moved);
    assert!(from.is_idle());
}

// Subscriptions.

#[test]
fn a_free_lock_costs_no_subscription_and_a_taken_one_is_queued_for_behind_it() {
    let (mut protocol, _) = nodes();
    protocol.acquire(at(1.0), request(1));
    let (id, first) = sent(&mut protocol);
    assert!(matches!(first, Command::Acquire(Acquire { enqueue: None, .. })), "{first:?}");
    protocol.reply(at(1.001), id, busy(None));
    let sent = commands(&mut protocol);
    let [Command::Subscribe(of), Command::Acquire(Acquire { enqueue: Some(_), .. })] = sent[..]
    else {
        panic!("{sent:?}")
    };
    assert_eq!(of, slot());
    // The next one in the slot queues at once.
    protocol.acquire(at(1.1), request(2));
    let next = commands(&mut protocol);
    assert!(matches!(next[..], [Command::Acquire(Acquire { enqueue: Some(_), .. })]), "{next:?}");
}

#[test]
fn a_request_that_tries_once_never_subscribes() {
    let (mut protocol, _) = nodes();
    protocol.acquire(at(1.0), RequestParams { queue: false, ..request(1) });
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(1.001), id, busy(None));
    let outputs = drain(&mut protocol);
    assert!(
        matches!(
            outputs[..],
            [Output::Failed(ID, Failure::Busy(_)), Output::Send(_, Command::Cancel { .. })]
        ),
        "{outputs:?}"
    );
}

#[test]
fn a_waiter_whose_slot_lost_its_subscription_acquires_again_behind_a_new_one() {
    let (mut protocol, _) = nodes();
    queue(&mut protocol);
    protocol.notification(at(1.1), Notification::Unsubscribed(slot()));
    let outputs = drain(&mut protocol);
    let [
        Output::Send(_, Command::Subscribe(_)),
        Output::Send(_, Command::Acquire(again)),
        Output::RefreshTopology,
    ] = &outputs[..]
    else {
        panic!("{outputs:?}")
    };
    assert_eq!(again.enqueue.as_ref().expect("it queues").ticket, Some(7));
}

#[test]
fn a_new_connection_has_no_subscriptions() {
    let (mut protocol, _) = nodes();
    queue(&mut protocol);
    protocol.disconnected(at(2.0), "reset".to_owned());
    assert_eq!(drain(&mut protocol), [Output::RefreshTopology]);
    protocol.connected(at(2.5), BOUND);
    let sent = commands(&mut protocol);
    // Another master has no open tokens, without which a release grants nothing.
    let [Command::Open(_), Command::Subscribe(_), Command::Acquire(_)] = sent[..] else {
        panic!("{sent:?}")
    };
}

#[test]
fn a_refused_subscription_ends_the_requests_that_need_it() {
    let (mut protocol, _) = nodes();
    protocol.acquire(at(1.0), request(1));
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(1.001), id, busy(None));
    let sent = all_sent(&mut protocol);
    let why = "NOPERM this user has no permissions to run the 'ssubscribe' command".to_owned();
    protocol.reply(at(1.002), sent[0].0, Err(CommandError::Refused(why.clone())));
    let outputs = drain(&mut protocol);
    assert_eq!(outputs[0], Output::Failed(ID, Failure::Refused(why)));
}

#[test]
fn a_hold_that_is_handed_on_hears_of_others_by_its_renewal() {
    let (mut protocol, _) = nodes();
    hold(&mut protocol);
    protocol.record_handoff(at(2.0), ID);
    let sent = all_sent(&mut protocol);
    let [(_, Command::Subscribe(_)), (renewal, Command::Renew(_))] = sent[..] else {
        panic!("{sent:?}")
    };
    protocol.reply(at(2.001), renewal, Ok(Reply::Renewed(vec![RenewalReply::RenewedContended])));
    assert!(drain(&mut protocol).contains(&Output::Contended(ID)));
    // Once is enough.
    protocol.record_handoff(at(3.0), ID);
    assert_eq!(commands(&mut protocol), []);
}

// Tokens.

#[test]
fn the_highest_token_counts_for_its_slot_alone_and_on_all_nodes() {
    let (mut protocol, mut other) = nodes();
    hold(&mut protocol);
    let floor_of = |protocol: &mut Protocol, bits, key: &str| {
        protocol.acquire(at(2.0), RequestParams { key: key.into(), ..request(bits) });
        let (_, command) = sent(protocol);
        let Command::Acquire(Acquire { request, .. }) = command else { panic!("{command:?}") };
        (request.min_fence, request.data_loss_grace.max_lease)
    };
    let known = (Fence::new(10), protocol.data_loss_grace().max_lease);
    assert_eq!(floor_of(&mut protocol, 2, "key"), known);
    assert_eq!(floor_of(&mut other, 3, "key"), known);
    // As far as this process knows, nothing was ever granted there.
    assert_eq!(floor_of(&mut protocol, 4, "other"), (Fence::ZERO, Duration::ZERO));
}

#[test]
fn a_slot_whose_lock_another_process_has_is_not_new() {
    let (mut protocol, mut other) = nodes();
    protocol.acquire(at(1.0), request(1));
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(1.001), id, Ok(busy_with(12)));
    drain(&mut protocol);
    other.acquire(at(2.0), request(2));
    let (_, command) = sent(&mut other);
    let Command::Acquire(Acquire { request, .. }) = command else { panic!("{command:?}") };
    assert_eq!(request.min_fence, Fence::new(12));
    assert_eq!(request.data_loss_grace.max_lease, other.data_loss_grace().max_lease);
    assert!(unopened(&mut other, 3.0).is_lost);
}

#[test]
fn a_token_that_is_not_above_those_of_its_slot_is_refused_and_those_of_other_slots_do_not_count() {
    let (mut protocol, mut other) = nodes();
    hold(&mut protocol);
    other.acquire(at(2.0), RequestParams { key: "other".into(), ..request(2) });
    let (id, _) = sent(&mut other);
    other.reply(at(2.001), id, granted(9));
    assert!(matches!(drain(&mut other)[..], [Output::Granted { .. }]));
    other.acquire(at(2.0), request(3));
    let (id, _) = sent(&mut other);
    other.reply(at(2.001), id, granted(10));
    assert!(matches!(drain(&mut other)[0], Output::Failed(_, Failure::Refused(_))));
}

/// The tokens of the slot are those of another master. Returns how they are opened.
fn unopened(protocol: &mut Protocol, now: f64) -> OpenTokens {
    protocol.acquire(at(now), request(1));
    let (id, _) = sent(protocol);
    protocol.reply(at(now), id, Err(CommandError::Unopened));
    protocol.tick(at(now));
    let sent = commands(protocol);
    let [Command::Open(open), Command::Acquire(_)] = &sent[..] else { panic!("{sent:?}") };
    open.clone()
}

#[test]
fn tokens_of_another_master_are_opened_and_the_acquire_sent_again_behind_that() {
    let context = context();
    let marks = [Mark::from(1), Mark::from(2)];
    context.living.set(marks.into());
    let mut protocol = node(&context, 1);
    let open = unopened(&mut protocol, 0.5);
    assert_eq!(open.slot, slot());
    assert_eq!(open.living[..], marks);
    assert!(!open.is_lost);
    // What is left of the two seconds since the connection was made.
    assert_eq!(open.grace, Some(Duration::from_millis(1_500)));
    assert_eq!(unopened(&mut node(&context, 1), 3600.0).grace, Some(Duration::ZERO));
}

#[test]
fn tokens_that_stay_unopened_are_asked_for_with_pauses_and_opened_once_for_all() {
    let (mut protocol, _) = nodes();
    unopened(&mut protocol, 1.0);
    protocol.acquire(at(1.0), request(2));
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(1.0), id, Err(CommandError::Unopened));
    protocol.tick(at(1.0));
    let (id, command) = sent(&mut protocol);
    assert!(matches!(command, Command::Acquire(_)), "the slot is being opened already");
    let open = *protocol.in_flight.keys().min().expect("it is in flight");
    protocol.reply(at(1.0), open, Ok(Reply::Opened));
    protocol.reply(at(1.0), id, Err(CommandError::Unopened));
    assert!(matches!(sent(&mut protocol).1, Command::Open(_)));
    assert_eq!(protocol.next_tick(), Some(at(1.005)));
}

#[test]
fn tokens_are_opened_without_a_pause_on_each_node_that_a_slot_moves_to() {
    let (mut one, mut two) = nodes();
    let mut now = 1.0;
    one.acquire(at(now), request(1));
    let mut reply = |from: &mut Protocol, error: &CommandError| {
        now += 0.1;
        for (id, _) in all_sent(from) {
            from.reply(at(now), id, Err(error.clone()));
        }
        from.tick(at(now));
        now
    };
    let is_opened = |sent: &[Command]| matches!(sent, [Command::Open(_), Command::Acquire(_)]);
    for _ in 0..3 {
        let now = reply(&mut one, &moved());
        move_slot(&mut one, &mut two, now);
        let now = reply(&mut two, &CommandError::Unopened);
        let sent = commands(&mut two);
        assert!(is_opened(&sent), "{sent:?} at {now}");
        move_slot(&mut two, &mut one, now);
        let now = reply(&mut one, &CommandError::Unopened);
        let outputs = all_sent(&mut one);
        let (ids, sent): (Vec<_>, Vec<_>) = outputs.into_iter().unzip();
        assert!(is_opened(&sent), "{sent:?} at {now}");
        // The other master has opened them meanwhile.
        for id in ids {
            one.reply(at(now), id, Err(CommandError::Unopened));
        }
        one.tick(at(now));
        assert_eq!(commands(&mut one).len(), 1, "only the tokens are opened again");
        one.tick(one.next_tick().expect("it tries again"));
    }
}

#[test]
fn tokens_are_opened_without_a_pause_at_the_end_of_a_migration() {
    let (mut one, _) = nodes();
    one.acquire(at(1.0), request(1));
    let (id, _) = sent(&mut one);
    one.reply(at(1.0), id, Err(try_again()));
    one.tick(at(1.005));
    let (id, _) = sent(&mut one);
    one.reply(at(1.006), id, Err(CommandError::Unopened));
    one.tick(at(1.006));
    let sent = commands(&mut one);
    assert!(matches!(sent[..], [Command::Open(_), Command::Acquire(_)]), "{sent:?}");
}

// A slot that moves.

#[test]
fn a_request_that_is_answered_by_a_redirection_goes_on_at_the_other_node_at_once() {
    let (mut old, mut new) = nodes();
    old.acquire(at(1.0), request(1));
    let (id, _) = sent(&mut old);
    old.reply(at(1.001), id, Err(moved()));
    let CommandError::Moved(to) = moved() else { panic!() };
    assert_eq!(drain(&mut old), [Output::Moved(to)]);
    assert_eq!(old.next_tick(), Some(at(1.006)), "it is tried here again if nobody moves it");
    move_slot(&mut old, &mut new, 1.001);
    let (id, command) = sent(&mut new);
    assert!(matches!(command, Command::Acquire(_)));
    new.reply(at(1.002), id, granted(10));
    assert!(matches!(drain(&mut new)[..], [Output::Granted { id: ID, .. }]));
    new.release(at(1.1), ID);
    assert!(matches!(sent(&mut new).1, Command::Release { .. }), "nothing can arrive late");
}

#[test]
fn a_slot_that_two_nodes_ascribe_to_each_other_is_not_asked_for_in_a_row() {
    let (mut one, mut two) = nodes();
    one.acquire(at(1.0), request(1));
    let (mut now, mut commands) = (at(1.0), 0);
    while now < at(5.0) {
        for (id, _) in all_sent(&mut one) {
            commands += 1;
            one.reply(now, id, Err(moved()));
            let moved = one.take(now, &|_| true);
            two.adopt(now, moved);
        }
        std::mem::swap(&mut one, &mut two);
        if one.is_idle() {
            std::mem::swap(&mut one, &mut two);
        }
        if let Some(due) = one.next_tick().filter(|_| !one.is_idle()) {
            now = now.max(due);
        }
        one.tick(now);
    }
    assert!(commands < 40, "{commands} commands in four seconds");
}

/// The slot moves on during each pause: who asked at the node of before would never get the lock.
#[test]
fn a_redirect_after_a_pause_is_followed_at_once() {
    let (mut one, mut two) = nodes();
    let redirect = |from: &mut Protocol, to: &mut Protocol, now: f64| {
        let [(id, Command::Acquire(_))] = all_sent(from)[..] else { panic!("it is not sent") };
        from.reply(at(now), id, Err(moved()));
        drain(from);
        move_slot(from, to, now);
    };
    one.acquire(at(1.0), request(1));
    redirect(&mut one, &mut two, 1.0);
    redirect(&mut two, &mut one, 1.001);
    for now in [1.01, 1.1, 1.5] {
        assert_eq!(commands(&mut one), [], "the nodes may disagree");
        one.tick(at(now));
        redirect(&mut one, &mut two, now);
        redirect(&mut two, &mut one, now);
    }
    one.tick(at(2.1));
    redirect(&mut one, &mut two, 2.1);
    assert_eq!(commands(&mut two), [], "they do");
}

#[test]
fn an_acquire_in_flight_at_a_move_may_still_arrive_so_its_hold_ends_with_a_tombstone() {
    let (mut old, mut new) = nodes();
    old.acquire(at(1.0), request(1));
    let (id, _) = sent(&mut old);
    move_slot(&mut old, &mut new, 1.001);
    let (again, _) = sent(&mut new);
    // The old node's reply means nothing any more.
    old.reply(at(1.002), id, granted(9));
    assert_eq!(drain(&mut old), []);
    new.reply(at(1.003), again, granted(10));
    drain(&mut new);
    new.release(at(1.1), ID);
    let (_, command) = sent(&mut new);
    assert!(matches!(command, Command::Cancel { tombstone: TOMBSTONE, .. }), "{command:?}");
}

#[test]
fn a_release_in_flight_at_a_move_is_cancelled_at_the_other_node() {
    let (mut old, mut new) = nodes();
    hold(&mut old);
    old.release(at(1.5), ID);
    assert!(matches!(sent(&mut old).1, Command::Release { .. }));
    move_slot(&mut old, &mut new, 1.501);
    assert_eq!(drain(&mut old), []);
    let (id, command) = sent(&mut new);
    assert!(matches!(command, Command::Cancel { fence, .. } if fence == Fence::new(10)));
    new.reply(at(1.502), id, Ok(Reply::Released(false)));
    assert_eq!(drain(&mut new), [Output::Finished(ID, ReleaseOutcome::Unknown)]);
}

#[test]
fn a_release_that_is_answered_by_a_redirection_is_cancelled_at_the_other_node() {
    let (mut old, mut new) = nodes();
    hold(&mut old);
    old.release(at(1.5), ID);
    let (id, _) = sent(&mut old);
    old.reply(at(1.501), id, Err(moved()));
    assert!(matches!(drain(&mut old)[..], [Output::Moved(_)]));
    move_slot(&mut old, &mut new, 1.501);
    let (id, command) = sent(&mut new);
    assert!(matches!(command, Command::Cancel { tombstone: Duration::ZERO, .. }), "{command:?}");
    new.reply(at(1.502), id, Ok(Reply::Released(true)));
    assert_eq!(drain(&mut new), [Output::Finished(ID, ReleaseOutcome::Held)]);
}

#[test]
fn a_hold_is_renewed_at_once_at_the_other_node_and_released_there() {
    let (mut old, mut new) = nodes();
    hold(&mut old);
    move_slot(&mut old, &mut new, 2.0);
    assert_eq!(drain(&mut old), []);
    let (id, command) = sent(&mut new);
    assert!(matches!(&command, Command::Renew(entries) if entries.len() == 1), "{command:?}");
    new.reply(at(2.001), id, Ok(Reply::Renewed(vec![RenewalReply::Renewed])));
    assert_eq!(drain(&mut new), [Output::Extended(ID, at(2.0).plus(valid(TTL)))]);
    new.release(at(3.0), ID);
    assert!(matches!(sent(&mut new).1, Command::Release { .. }));
}

#[test]
fn a_renewal_in_flight_at_a_move_is_repeated_and_no_hold_lasts_longer_for_it() {
    let (mut old, mut new) = nodes();
    hold(&mut old);
    old.renew_now(at(2.0), ID, TTL);
    old.tick(at(2.0));
    assert!(matches!(sent(&mut old).1, Command::Renew(_)));
    move_slot(&mut old, &mut new, 2.1);
    assert_eq!(drain(&mut old), []);
    let (id, _) = sent(&mut new);
    new.reply(at(2.2), id, Ok(Reply::Renewed(vec![RenewalReply::NotHeld])));
    assert!(matches!(drain(&mut new)[..], [Output::PutBack(ID)]), "another master may miss it");
}

#[test]
fn a_hold_that_the_new_master_does_not_know_is_put_back_behind_the_opening_of_its_tokens() {
    let context = context();
    let (mut old, mut new) = (node(&context, 1), unconnected(&context, 2));
    new.connected(at(1.5), BOUND);
    hold(&mut old);
    old.disconnected(at(2.0), "reset".to_owned());
    drain(&mut old);
    move_slot(&mut old, &mut new, 2.0);
    let (id, _) = sent(&mut new);
    new.reply(at(2.1), id, Ok(Reply::Renewed(vec![RenewalReply::NotHeld])));
    assert_eq!(drain(&mut new), [Output::PutBack(ID)]);
    new.put_back(at(2.1), ID, Some(request(1).owner));
    let sent = all_sent(&mut new);
    let [(_, Command::Open(open)), (reclaim, Command::Reclaim(..))] = &sent[..] else {
        panic!("{sent:?}")
    };
    assert!(open.is_lost && open.floor == Fence::new(10));
    // The next move finds it in flight. It may put the hold back later.
    let mut third = node(&context, 3);
    new.reply(at(2.2), *reclaim, Ok(Reply::Reclaimed(ReclaimReply::Held)));
    drain(&mut new);
    move_slot(&mut new, &mut third, 3.0);
    let (id, _) = self::sent(&mut third);
    third.reply(at(3.1), id, Ok(Reply::Renewed(vec![RenewalReply::Renewed])));
    assert!(matches!(drain(&mut third)[..], [Output::Extended(ID, _)]));
    third.renew_now(at(4.0), ID, TTL);
    third.tick(at(4.0));
    let (id, _) = self::sent(&mut third);
    third.reply(at(4.1), id, Ok(Reply::Renewed(vec![RenewalReply::NotHeld])));
    assert_eq!(drain(&mut third), [Output::Lost(ID, Loss::NotOnServer)], "this master had it");
}

#[test]
fn a_hold_is_put_back_without_opening_its_tokens_if_the_failover_is_waited_out() {
    let (mut old, mut new) = nodes();
    hold(&mut old);
    move_slot(&mut old, &mut new, 2.5);
    let (id, _) = sent(&mut new);
    new.reply(at(2.6), id, Ok(Reply::Renewed(vec![RenewalReply::NotHeld])));
    drain(&mut new);
    new.put_back(at(2.6), ID, Some(request(1).owner));
    assert!(
        matches!(sent(&mut new).1, Command::Reclaim(..)),
        "an opening would end the grace period"
    );
}

#[test]
fn an_attempt_to_put_a_hold_back_that_is_in_flight_at_a_move_may_still_arrive() {
    let context = context();
    let (mut old, mut new, mut third) = (node(&context, 1), node(&context, 2), node(&context, 3));
    hold(&mut old);
    move_slot(&mut old, &mut new, 2.0);
    let (id, _) = sent(&mut new);
    new.reply(at(2.1), id, Ok(Reply::Renewed(vec![RenewalReply::NotHeld])));
    drain(&mut new);
    new.put_back(at(2.1), ID, Some(request(1).owner));
    drain(&mut new);
    move_slot(&mut new, &mut third, 2.2);
    drain(&mut third);
    third.release(at(2.3), ID);
    let (_, command) = sent(&mut third);
    assert!(matches!(command, Command::Cancel { tombstone: TOMBSTONE, .. }), "{command:?}");
}

#[test]
fn a_waiter_acquires_again_at_the_other_node_with_its_ticket_behind_a_subscription() {
    let (mut old, mut new) = nodes();
    queue(&mut old);
    move_slot(&mut old, &mut new, 1.2);
    assert_eq!(drain(&mut old), []);
    let sent = all_sent(&mut new);
    let [(_, Command::Open(_)), (_, Command::Subscribe(_)), (id, Command::Acquire(acquire))] =
        &sent[..]
    else {
        panic!("{sent:?}")
    };
    assert_eq!(acquire.enqueue.as_ref().expect("it queues").ticket, Some(7));
    // A push counts from when the old node said that it waits.
    new.notification(at(1.3), Notification::Granted(ID, fences(11)));
    let outputs = drain(&mut new);
    assert!(matches!(outputs[..], [Output::Granted { id: ID, .. }]), "{outputs:?}");
    new.reply(at(1.4), *id, granted(11));
}

#[test]
fn a_refresh_in_flight_at_a_move_leaves_room_for_others() {
    let (mut old, mut new) = nodes();
    queue(&mut old);
    old.tick(at(1.65));
    assert!(matches!(sent(&mut old).1, Command::Renew(_)));
    assert_eq!(old.refreshes_in_flight, 1);
    move_slot(&mut old, &mut new, 1.7);
    assert_eq!(old.refreshes_in_flight, 0);
    assert_eq!(old.in_flight.len(), 0);
}

#[test]
fn keys_together_that_are_in_flight_at_a_move_are_undone_at_the_other_node() {
    let (mut old, mut new) = nodes();
    let pair = [("{t}1", 1), ("{t}2", 2)];
    let params = pair.map(|(key, bits)| RequestParams { key: key.into(), ..request(bits) });
    old.acquire_all(at(1.0), params.to_vec());
    assert!(matches!(sent(&mut old).1, Command::AcquireAll(_)));
    let moved = old.take(at(1.1), &|_| true);
    let outputs = drain(&mut old);
    assert!(matches!(&outputs[..], [Output::NotTogether(ids)] if ids.len() == 2), "{outputs:?}");
    assert_eq!(moved.ids().count(), 2);
    new.adopt(at(1.1), moved);
    let sent = commands(&mut new);
    let is_cancel =
        |command: &Command| matches!(command, Command::Cancel { tombstone: TOMBSTONE, .. });
    assert!(sent.len() == 2 && sent.iter().all(is_cancel), "{sent:?}");
}

#[test]
fn subscriptions_and_openings_in_flight_at_a_move_are_repeated_where_they_are_needed() {
    let (mut old, mut new) = nodes();
    unopened(&mut old, 1.0);
    old.acquire(at(1.0), request(2));
    let (id, _) = sent(&mut old);
    old.reply(at(1.0), id, busy(None));
    drain(&mut old);
    move_slot(&mut old, &mut new, 1.1);
    assert_eq!(old.in_flight.len(), 0);
    let sent = commands(&mut new);
    let [Command::Acquire(_), Command::Open(_), Command::Subscribe(_), Command::Acquire(_)] =
        sent[..]
    else {
        panic!("{sent:?}")
    };
    // If the slot comes back it is subscribed here again.
    move_slot(&mut new, &mut old, 1.2);
    old.tick(at(1.3));
    let sent = commands(&mut old);
    assert!(matches!(&sent[..], [Command::Acquire(_), Command::Subscribe(_), ..]), "{sent:?}");
}

#[test]
fn only_the_requests_of_the_slots_that_leave_are_moved_and_the_others_stay_in_turn() {
    let context = context();
    let (mut old, mut new) = (node(&context, 1), node(&context, 2));
    old.timing.max_in_flight = 1;
    for (bits, key) in [(1, "key"), (2, "other"), (3, "key"), (4, "other")] {
        old.acquire(at(1.0), RequestParams { key: key.into(), ..request(bits) });
    }
    assert_eq!(commands(&mut old).len(), 1);
    let moved = old.take(at(1.1), &|of| of == slot());
    let mut ids: Vec<_> = moved.ids().collect();
    ids.sort_unstable();
    assert_eq!(ids, [1, 3].map(RequestId::from_bits));
    // There is room for the next one.
    let (id, command) = sent(&mut old);
    assert!(matches!(command, Command::Acquire(of) if of.request.id == RequestId::from_bits(2)));
    old.reply(at(1.2), id, granted(1));
    let next = commands(&mut old);
    assert!(
        matches!(&next[..], [Command::Acquire(of)] if of.request.id == RequestId::from_bits(4))
    );
    new.adopt(at(1.1), moved);
    assert_eq!(commands(&mut new).len(), 2);
}

#[test]
fn what_ended_before_a_failover_ends_again_and_a_migration_repeats_nothing() {
    for is_failover in [true, false] {
        let (mut old, mut new) = nodes();
        hold_and_release(&mut old);
        if is_failover {
            old.disconnected(at(2.0), "reset".to_owned());
        }
        let moved = old.take(at(2.1), &|of| of == slot());
        assert_eq!(moved.ids().count(), 0);
        new.adopt(at(2.1), moved);
        let sent = commands(&mut new);
        assert_eq!((is_repeated(&sent), sent.is_empty()), (is_failover, !is_failover), "{sent:?}");
        // The next failover finds it there.
        new.disconnected(at(3.0), "reset".to_owned());
        new.set_mark(Mark::from(3));
        new.connected(at(3.5), BOUND);
        let sent = commands(&mut new);
        assert!(is_repeated(&sent), "{sent:?}");
    }
}

/// Whether request 1 ends again, where its token is noted before.
fn is_repeated(sent: &[Command]) -> bool {
    let [Command::Open(open), Command::Cancel { request, .. }] = sent else { return false };
    is_note(open) && request.id == ID
}

/// Whether this only notes token 10.
fn is_note(open: &OpenTokens) -> bool {
    let is_known = open.slot == slot() && open.is_lost && open.floor == Fence::new(10);
    is_known && open.grace.is_none()
}

#[test]
fn what_a_failover_may_have_lost_ends_again_as_soon_as_there_is_a_connection() {
    let context = context();
    let (mut old, mut new) = (node(&context, 1), unconnected(&context, 2));
    hold_and_release(&mut old);
    old.disconnected(at(2.0), "reset".to_owned());
    drain(&mut old);
    move_slot(&mut old, &mut new, 2.1);
    assert_eq!(drain(&mut new), []);
    new.connected(at(2.2), BOUND);
    let sent = commands(&mut new);
    assert!(is_repeated(&sent), "{sent:?}");
}

/// A node that was promoted, to which request 1, which has ended on the node before, is cancelled.
/// With the number of the cancel.
fn repeating() -> (Protocol, CommandId) {
    let (mut old, mut new) = nodes();
    hold_and_release(&mut old);
    old.disconnected(at(2.0), "reset".to_owned());
    drain(&mut old);
    move_slot(&mut old, &mut new, 2.1);
    let id = repeated(&mut new, at(2.1)).expect("it may not have heard of the end");
    (new, id)
}

/// The number of the cancel of request 1 that was sent since the last look. What notes its token is
/// answered.
fn repeated(protocol: &mut Protocol, now: Timestamp) -> Option<CommandId> {
    let mut cancel = None;
    for (id, command) in all_sent(protocol) {
        match command {
            Command::Cancel { request, .. } if request.id == ID => cancel = Some(id),
            Command::Open(note) if is_note(&note) => {
                protocol.reply(now, id, Ok(Reply::Opened));
            }
            other => panic!("{other:?}"),
        }
    }
    cancel
}

#[test]
fn a_repeated_end_that_is_refused_for_the_moment_is_sent_until_the_node_has_it() {
    let down = CommandError::TryAgain("CLUSTERDOWN The cluster is down".to_owned());
    for refusal in [moved(), asked(), try_again(), down, CommandError::Unopened] {
        let (mut new, mut id) = repeating();
        let mut now = at(2.2);
        for _ in 0..3 {
            new.reply(now, id, Err(refusal.clone()));
            assert_eq!(repeated(&mut new, now), None, "{refusal:?}: without a pause");
            now = new.next_tick().expect("it is sent again");
            new.tick(now);
            id = repeated(&mut new, now).unwrap_or_else(|| panic!("{refusal:?}: it is sent again"));
        }
        new.reply(at(3.0), id, Ok(Reply::Released(false)));
        assert_eq!(new.next_tick(), None, "{refusal:?}");
        assert!(new.is_idle());
        new.disconnected(at(4.0), "reset".to_owned());
        new.connected(at(4.5), BOUND);
        assert_eq!(repeated(&mut new, at(4.5)), None, "the same node has it");
    }
}

#[test]
fn a_repeated_end_that_stays_refused_is_given_up() {
    let (mut new, mut id) = repeating();
    let (mut now, mut count) = (at(2.1), 0);
    loop {
        new.reply(now, id, Err(try_again()));
        count += 1;
        let Some(due) = new.next_tick() else { break };
        now = due;
        new.tick(now);
        id = repeated(&mut new, now).expect("nothing else is due");
    }
    let lasted = now.since(at(2.1));
    assert!((Duration::from_secs(29)..Duration::from_secs(31)).contains(&lasted), "{lasted:?}");
    assert!((100..200).contains(&count), "{count} commands");
    let (mut new, id) = repeating();
    new.reply(at(2.2), id, Err(CommandError::Refused("NOPERM".to_owned())));
    assert_eq!(new.next_tick(), None, "it would be refused again");
}

#[test]
fn a_repeated_end_in_flight_is_sent_on_the_next_connection_and_on_the_next_node() {
    let (mut new, _) = repeating();
    new.disconnected(at(2.2), "reset".to_owned());
    assert_eq!(new.next_tick(), None, "without a connection");
    new.connected(at(2.5), BOUND);
    assert!(repeated(&mut new, at(2.5)).is_some(), "the command may have been lost");
    let mut third = node(&context(), 3);
    let moving = new.take(at(2.6), &|of| of == slot());
    third.adopt(at(2.6), moving);
    assert!(
        repeated(&mut third, at(2.6)).is_some(),
        "it may have been refused, with the slot gone"
    );
}

/// The slot may go back to the node that it had come from before anything else is asked there.
#[test]
fn a_token_that_a_failover_may_have_lost_is_noted_on_the_new_master_unless_its_hold_is_put_back() {
    let held = || {
        let context = context();
        let mut old = node(&context, 1);
        hold(&mut old);
        (old, unconnected(&context, 2))
    };
    let fail_over = |from: &mut Protocol, to: &mut Protocol, now: f64| {
        from.disconnected(at(now), "reset".to_owned());
        drain(from);
        move_slot(from, to, now);
        to.connected(at(now), BOUND);
    };
    let is_note =
        |output: &Output| matches!(output, Output::Send(_, Command::Open(open)) if is_note(open));
    // Its release was under way.
    let (mut old, mut new) = held();
    old.release(at(1.5), ID);
    fail_over(&mut old, &mut new, 1.6);
    assert_eq!(drain(&mut new).iter().filter(|output| is_note(output)).count(), 1);
    // It was lost before, and its section runs on.
    let (mut old, mut new) = held();
    old.renew_now(at(1.5), ID, TTL);
    old.tick(at(1.5));
    let (id, _) = sent(&mut old);
    old.reply(at(1.6), id, Ok(Reply::Renewed(vec![RenewalReply::NotHeld])));
    fail_over(&mut old, &mut new, 1.7);
    assert_eq!(drain(&mut new).iter().filter(|output| is_note(output)).count(), 1);
    // It is used and has time left, or not.
    let almost_over = 1.0 + valid(TTL).as_secs_f64() - 0.2;
    for (now, has_section) in [(2.0, true), (2.0, false), (almost_over, true)] {
        let (mut old, mut new) = held();
        fail_over(&mut old, &mut new, now);
        let (id, _) = sent(&mut new);
        new.reply(at(now), id, Ok(Reply::Renewed(vec![RenewalReply::NotHeld])));
        assert_eq!(drain(&mut new), [Output::PutBack(ID)]);
        new.put_back(at(now), ID, has_section.then(|| request(1).owner));
        let outputs = drain(&mut new);
        let is_reclaim = |output: &Output| matches!(output, Output::Send(_, Command::Reclaim(..)));
        let is_put_back = outputs.iter().any(is_reclaim);
        assert_eq!(is_put_back, has_section && now < almost_over, "{outputs:?}");
        assert_eq!(outputs.iter().any(is_note), !is_put_back, "{outputs:?}");
    }
}

#[test]
fn nothing_is_noted_of_a_slot_in_which_no_token_was_seen() {
    let context = context();
    let (mut old, mut new) = (node(&context, 1), unconnected(&context, 2));
    old.acquire(at(1.0), request(1));
    old.release(at(1.1), ID);
    drain(&mut old);
    old.disconnected(at(1.2), "reset".to_owned());
    move_slot(&mut old, &mut new, 1.2);
    new.connected(at(1.3), BOUND);
    let sent = commands(&mut new);
    assert!(matches!(sent[..], [Command::Cancel { .. }]), "{sent:?}");
}

#[test]
fn requests_move_to_a_node_without_a_connection_and_keep_their_deadlines() {
    let context = context();
    let (mut old, mut new) = (node(&context, 1), unconnected(&context, 2));
    old.acquire(at(1.0), RequestParams { deadline: Some(at(3.0)), ..request(1) });
    drain(&mut old);
    move_slot(&mut old, &mut new, 1.5);
    assert_eq!(old.next_tick(), None);
    assert_eq!(drain(&mut new), []);
    assert_eq!(new.next_tick(), Some(at(3.0)));
    new.tick(at(3.0));
    assert!(matches!(drain(&mut new)[..], [Output::Failed(ID, Failure::Unavailable(_))]));
    new.connect_failed(at(3.1), "refused".to_owned(), ConnectErrorKind::Unreachable);
    assert_eq!(drain(&mut new), [Output::RefreshTopology]);
}

#[test]
fn a_short_ttl_limits_replies_only_where_its_request_is() {
    let (mut old, mut new) = nodes();
    let ttl = Duration::from_millis(600);
    old.acquire(at(1.0), RequestParams { ttl, ..request(1) });
    assert_eq!(old.reply_timeout.shortest_ttl(), Some(ttl));
    move_slot(&mut old, &mut new, 1.1);
    assert_eq!(old.reply_timeout.shortest_ttl(), None);
    assert_eq!(new.reply_timeout.shortest_ttl(), Some(ttl));
}

#[test]
fn a_longer_lease_is_announced_to_each_node_that_gets_such_requests() {
    let context = context();
    let (mut old, mut new) = (node(&context, 1), node(&context, 2));
    let long = Duration::from_secs(600);
    old.acquire(at(1.0), RequestParams { ttl: long, ..request(1) });
    let sent = commands(&mut old);
    let [Command::RaiseMaxLease(lease), Command::Acquire(_)] = sent[..] else { panic!("{sent:?}") };
    // The other nodes do not know it because all processes do.
    new.notification(at(1.1), Notification::MaxLease(lease));
    move_slot(&mut old, &mut new, 1.2);
    let sent = commands(&mut new);
    assert!(matches!(sent[..], [Command::RaiseMaxLease(_), Command::Acquire(_)]), "{sent:?}");
    // Nor does one that is connected to later.
    let mut third = unconnected(&context, 3);
    third.connected(at(1.3), BOUND);
    assert_eq!(commands(&mut third), [Command::RaiseMaxLease(lease)]);
}

// A slot that is being migrated.

#[test]
fn a_hold_that_is_on_the_other_node_already_is_renewed_there() {
    let (mut protocol, _) = nodes();
    hold(&mut protocol);
    protocol.renew_now(at(2.0), ID, TTL);
    protocol.tick(at(2.0));
    let (id, first) = sent(&mut protocol);
    protocol.reply(at(2.001), id, Err(asked()));
    let outputs = drain(&mut protocol);
    let [Output::SendAsking(id, again, address)] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!((again, &**address), (&first, "other:1"));
    protocol.reply(at(2.002), *id, Ok(Reply::Renewed(vec![RenewalReply::Renewed])));
    assert_eq!(drain(&mut protocol), [Output::Extended(ID, at(2.001).plus(valid(TTL)))]);
}

#[test]
fn a_renewal_that_the_other_node_does_not_take_is_tried_again_later() {
    let answers: [fn(&mut Protocol, CommandId); 4] = [
        |protocol, id| protocol.reply(at(2.002), id, Err(asked())),
        |protocol, id| protocol.reply(at(2.002), id, Err(CommandError::ConnectionLost)),
        |protocol, id| protocol.reply(at(2.002), id, Err(try_again())),
        |protocol, _| protocol.tick(at(4.002)),
    ];
    for answer in answers {
        let (mut protocol, _) = nodes();
        hold(&mut protocol);
        protocol.renew_now(at(2.0), ID, TTL);
        protocol.tick(at(2.0));
        let (id, _) = sent(&mut protocol);
        protocol.reply(at(2.001), id, Err(asked()));
        let outputs = drain(&mut protocol);
        let [Output::SendAsking(id, ..)] = outputs[..] else { panic!("{outputs:?}") };
        answer(&mut protocol, id);
        assert_eq!(drain(&mut protocol), [], "the connection to this node is not to blame");
        let again = protocol.next_tick().expect("it is tried again");
        protocol.tick(again);
        assert!(matches!(sent(&mut protocol).1, Command::Renew(_)));
        // A late answer means nothing.
        protocol.reply(again, id, Ok(Reply::Renewed(vec![RenewalReply::NotHeld])));
        assert_eq!(drain(&mut protocol), []);
    }
}

#[test]
fn each_hold_is_renewed_by_a_command_of_its_own_and_waiters_by_one_for_each_slot() {
    let (mut protocol, _) = nodes();
    let mut bits = 0;
    for (key, wait) in
        [("key", false), ("other", false), ("key", true), ("key", true), ("third", true)]
    {
        bits += 1;
        protocol.acquire(at(1.0), RequestParams { key: key.into(), ..request(bits) });
        loop {
            let sent = all_sent(&mut protocol);
            if sent.is_empty() {
                break;
            }
            for (id, command) in sent {
                let reply = match command {
                    Command::Subscribe(_) => Ok(Reply::Subscribed),
                    _ if wait => busy(Some(TTL)),
                    _ => granted(u64::try_from(bits).expect("small")),
                };
                protocol.reply(at(1.0), id, reply);
            }
        }
    }
    protocol.disconnected(at(1.1), "reset".to_owned());
    protocol.connected(at(1.2), BOUND);
    let renewals = commands(&mut protocol).into_iter().filter_map(|command| match command {
        Command::Renew(entries) => Some(entries.len()),
        _ => None,
    });
    assert_eq!(renewals.collect::<Vec<_>>(), [1, 1]);
    let mut fresh = Vec::new();
    protocol.renew_by_slot(
        at(1.3),
        [3, 4, 5].into_iter().map(|bits| {
            let id = RequestId::from_bits(bits);
            let key = if bits == 5 { "third" } else { "key" };
            ((id, TTL), Renewal::Waiter { key: key.into(), id, lease: TTL })
        }),
    );
    for command in commands(&mut protocol) {
        let Command::Renew(entries) = command else { panic!("{command:?}") };
        fresh.push(entries.len());
    }
    fresh.sort_unstable();
    assert_eq!(fresh, [1, 2]);
}

/// The requests sent until a wait gives up, and how.
fn refused_until_the_end(error: &CommandError) -> (usize, Failure) {
    let (mut protocol, _) = nodes();
    protocol.acquire(at(1.0), request(1));
    let (mut now, mut count) = (at(1.0), 0);
    loop {
        for output in drain(&mut protocol) {
            match output {
                Output::Send(id, _) => {
                    count += 1;
                    protocol.reply(now, id, Err(error.clone()));
                }
                Output::Failed(_, failure) => return (count, failure),
                _ => {}
            }
        }
        if let Some(due) = protocol.next_tick() {
            now = now.max(due);
        }
        protocol.tick(now);
    }
}

#[test]
fn a_slot_that_is_left_open_is_named_when_the_outage_timeout_is_over() {
    let (count, failure) = refused_until_the_end(&try_again());
    let Failure::Unavailable(why) = failure else { panic!("{failure:?}") };
    let number = slot().number();
    assert_eq!(
        why,
        format!("slot {number} is being migrated; finish it, or run `redis-cli --cluster fix`")
    );
    assert!((20..40).contains(&count), "{count} commands in five seconds");
    assert_eq!(refused_until_the_end(&asked()).1, Failure::Unavailable(why));
    let (_, failure) = refused_until_the_end(&moved());
    assert!(matches!(failure, Failure::Unavailable(why) if why.contains("other:1")));
}

#[test]
fn a_request_that_tries_once_waits_for_a_migration_and_not_for_a_cluster_that_is_down() {
    let (mut protocol, _) = nodes();
    protocol.acquire(at(1.0), RequestParams { queue: false, ..request(1) });
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(1.001), id, Err(try_again()));
    assert_eq!(drain(&mut protocol), []);
    protocol.tick(at(1.006));
    let (id, _) = sent(&mut protocol);
    let down = "CLUSTERDOWN Hash slot not served".to_owned();
    protocol.reply(at(1.007), id, Err(CommandError::TryAgain(down.clone())));
    let why = format!(
        "no node serves slot {} ({down}); start the nodes that are missing, or run `redis-cli \
         --cluster fix`",
        slot().number()
    );
    let outputs = drain(&mut protocol);
    assert_eq!(outputs[0], Output::Failed(ID, Failure::Unavailable(why)));
    assert!(outputs.contains(&Output::RefreshTopology));
}

#[test]
fn the_pause_after_a_refusal_is_as_long_as_it_has_lasted() {
    let (mut protocol, _) = nodes();
    hold(&mut protocol);
    protocol.release(at(2.0), ID);
    let mut pauses = Vec::new();
    let mut now = at(2.0);
    for _ in 0..9 {
        let (id, _) = sent(&mut protocol);
        protocol.reply(now, id, Err(try_again()));
        let due = protocol.next_tick().expect("it is tried again");
        pauses.push(due.since(now).as_millis());
        now = due;
        protocol.tick(now);
    }
    assert_eq!(pauses, [5, 5, 10, 20, 40, 80, 160, 250, 250]);
}

#[test]
fn a_range_of_tokens_raises_the_floor_of_its_slot() {
    let (mut protocol, _) = nodes();
    let pair = [("{t}1", 1), ("{t}2", 2)];
    let params = pair.map(|(key, bits)| RequestParams { key: key.into(), ..request(bits) });
    protocol.acquire_all(at(1.0), params.to_vec());
    let (id, _) = sent(&mut protocol);
    let range = FenceRange::new(Fence::new(5), 2);
    protocol.reply(at(1.1), id, Ok(Reply::AcquiredAll(Some(range))));
    drain(&mut protocol);
    let slot = context().space.slot("{t}1");
    assert_eq!(protocol.floor(Some(slot)), Fence::new(6));
    assert_eq!(protocol.floor(Some(self::slot())), Fence::ZERO);
}
