//! The machine, driven by hand: no server, no clock.

pub(crate) mod byzantine;
mod cycle_watch;
pub(crate) mod deadlock;
pub(crate) mod doubt;
pub(crate) mod failover;
pub(crate) mod late;
pub(crate) mod max_lease;
pub(crate) mod multi;
pub(crate) mod node;
pub(crate) mod refused;
pub(crate) mod replicas;

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use crate::protocol::Protocol;
use crate::protocol::connection::ConnectErrorKind;
use crate::protocol::request::{
    CommandError, CommandId, Failure, Loss, Output, ReleaseOutcome, RequestParams,
};
use crate::protocol::timing::Timing;
use crate::types::fence::{Fence, FenceRange};
use crate::types::owner_info::{HolderInfo, OwnerInfo};
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::command::{Command, Probe, Renewal, WaitTarget};
use crate::wire::keyspace::WAITER_LEASE;
use crate::wire::reply::{
    AcquireReply, BlockedBy, BlockedRequest, BusyReply, Grant, Notification, ProbeReply,
    RenewalReply, Reply,
};

const TTL: Duration = Duration::from_secs(30);
/// What the server knows of the longest lease: nothing here asks for a longer one unless it says
/// so.
const BOUND: Duration = Duration::from_mins(2);

fn at(seconds: f64) -> Timestamp {
    Timestamp::ZERO.plus(Duration::from_secs_f64(1000.0 + seconds))
}

fn connected() -> Protocol {
    let mut protocol = Protocol::new(at(0.0), Timing::default(), "inbox".to_owned(), TTL);
    protocol.connected(at(0.0), BOUND);
    protocol
}

fn request(bits: u128) -> RequestParams {
    RequestParams {
        key: Arc::from("key"),
        id: RequestId::from_bits(bits),
        since: at(1.0),
        ttl: TTL,
        deadline: None,
        queue: true,
        renew: true,
        max_hold: None,
        queued_locally: false,
        likely_free: false,
        fence_count: 1,
        confirm: None,
        owner: OwnerInfo {
            ttl: TTL,
            since_unix_ms: 0,
            pid: 1,
            host: "host".into(),
            function: "function".to_owned(),
        },
    }
}

fn fences(first: u64) -> FenceRange {
    FenceRange::new(Fence::new(first), 1)
}

fn granted_by_push(first: u64) -> Notification {
    Notification::Granted(RequestId::from_bits(1), fences(first))
}

/// What is left of a ttl when its margin of one percent is off.
fn valid(ttl: Duration) -> Duration {
    ttl.mul_f64(0.99)
}

fn drain(protocol: &mut Protocol) -> Vec<Output> {
    std::iter::from_fn(|| protocol.poll_output()).collect()
}

/// The only call that was sent since the last look.
fn sent(protocol: &mut Protocol) -> (CommandId, Command) {
    let outputs = drain(protocol);
    match &outputs[..] {
        [Output::Send(id, call)] => (*id, call.clone()),
        other => panic!("expected one call, got {other:?}"),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "goes in as a reply, which may be an error")]
fn granted(fence: u64) -> Result<Reply, CommandError> {
    Ok(Reply::Acquire(AcquireReply::Granted(Grant { fences: fences(fence), contended: false })))
}

#[expect(clippy::unnecessary_wraps, reason = "goes in as a reply, which may be an error")]
fn busy(left: Option<Duration>) -> Result<Reply, CommandError> {
    let busy = BusyReply { blocked_by: BlockedBy::Holder(None), left, ahead: 0, ticket: Some(7) };
    Ok(Reply::Acquire(AcquireReply::Busy(busy)))
}

fn busy_with(fence: u64) -> Reply {
    let RequestParams { owner, .. } = request(2);
    let (id, fence) = (RequestId::from_bits(2), Fence::new(fence));
    let holder = HolderInfo { id, fence, owner, held_unix_ms: None };
    let blocked_by = BlockedBy::Holder(Some(Box::new(holder)));
    let busy = BusyReply { blocked_by, left: Some(TTL), ahead: 0, ticket: Some(7) };
    Reply::Acquire(AcquireReply::Busy(busy))
}

/// A machine that holds request id 1 since `at(1.0)`.
fn holding() -> Protocol {
    let mut protocol = connected();
    protocol.acquire(at(1.0), request(1));
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(1.001), id, granted(10));
    drain(&mut protocol);
    taken_up(&mut protocol, 1);
    protocol
}

/// The request took up its hold: the machine need not check it.
fn taken_up(protocol: &mut Protocol, bits: u128) {
    protocol.check_claimed_at(at(1.0), RequestId::from_bits(bits), None);
}

/// A machine in which request id 1 waits since `at(1.0)`, behind a holder that has 30 s left.
fn queued() -> Protocol {
    let mut protocol = connected();
    protocol.acquire(at(1.0), request(1));
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(1.001), id, busy(Some(TTL)));
    assert_eq!(drain(&mut protocol), []);
    protocol
}

/// The same with a deadline, behind the hold with token 10.
fn queued_until(deadline: Timestamp) -> Protocol {
    let mut protocol = connected();
    protocol.acquire(at(1.0), RequestParams { deadline: Some(deadline), ..request(1) });
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(1.001), id, Ok(busy_with(10)));
    protocol
}

/// The answer to the refresh of a waiter.
fn still_waiting() -> Reply {
    Reply::Renewed(vec![RenewalReply::Waiting(Some(TTL))])
}

#[test]
fn a_hold_is_valid_from_the_instant_before_its_request_was_sent() {
    let mut protocol = connected();
    protocol.acquire(at(1.0), request(1));
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(5.0), id, granted(10));
    let valid_until = at(1.0).plus(valid(TTL));
    let request_id = RequestId::from_bits(1);
    assert_eq!(
        drain(&mut protocol),
        [Output::Granted {
            id: request_id,
            grant: Grant { fences: fences(10), contended: false },
            valid_until
        }]
    );
}

#[test]
fn a_grant_that_arrives_after_its_lease_is_asked_for_again_and_never_shown() {
    let mut timing = Timing { reply: Duration::from_secs(120), ..Timing::default() };
    timing.data_loss_grace = false;
    let mut protocol = Protocol::new(at(0.0), timing, "inbox".to_owned(), TTL);
    protocol.connected(at(0.0), BOUND);
    protocol.acquire(at(1.0), request(1));
    let (id, first) = sent(&mut protocol);
    protocol.reply(at(40.0), id, granted(10));
    protocol.tick(at(40.0));
    let (_, again) = sent(&mut protocol);
    let (Command::Acquire(first), Command::Acquire(again)) = (first, again) else {
        panic!("both are acquires")
    };
    assert_eq!(first.request.id, again.request.id);
    assert_eq!(again.request.min_fence, Fence::new(10));
}

#[test]
fn a_pushed_grant_is_valid_from_the_last_word_that_the_request_still_waits() {
    let mut protocol = queued();
    protocol.notification(at(1.1), granted_by_push(11));
    let server_ttl_slack = Duration::from_millis(20);
    let claim = WAITER_LEASE.saturating_sub(server_ttl_slack);
    let valid_until = at(1.0).plus(valid(claim));
    let request_id = RequestId::from_bits(1);
    assert_eq!(
        drain(&mut protocol),
        [Output::Granted {
            id: request_id,
            grant: Grant { fences: fences(11), contended: true },
            valid_until
        }]
    );
}

#[test]
fn a_pushed_grant_whose_claim_is_nearly_over_is_confirmed_before_it_is_shown() {
    let mut protocol = queued();
    // Less than a second is left: in a crowd a renewal may come too late.
    protocol.notification(at(2.1), granted_by_push(11));
    let (id, call) = sent(&mut protocol);
    assert!(matches!(call, Command::Acquire(_)));
    protocol.reply(at(2.11), id, granted(11));
    let valid_until = at(2.1).plus(valid(TTL));
    let request_id = RequestId::from_bits(1);
    assert_eq!(
        drain(&mut protocol),
        [Output::Granted {
            id: request_id,
            grant: Grant { fences: fences(11), contended: false },
            valid_until
        }]
    );
}

#[test]
fn a_pushed_grant_that_lasts_gets_its_full_ttl_and_a_short_one_costs_no_call() {
    let mut protocol = queued();
    protocol.notification(at(1.1), granted_by_push(11));
    drain(&mut protocol);
    let mut short = queued();
    short.notification(at(1.1), granted_by_push(11));
    drain(&mut short);
    short.release(at(1.11), RequestId::from_bits(1));
    assert!(matches!(sent(&mut short).1, Command::Release { .. }));

    protocol.tick(at(1.2));
    let (id, call) = sent(&mut protocol);
    assert!(
        matches!(&call, Command::Renew(entries) if matches!(entries[..], [Renewal::Hold { .. }]))
    );
    protocol.reply(at(1.21), id, Ok(Reply::Renewed(vec![RenewalReply::Renewed])));
    let full = at(1.2).plus(valid(TTL));
    assert_eq!(drain(&mut protocol), [Output::Extended(RequestId::from_bits(1), full)]);
}

#[test]
fn a_renewal_goes_out_at_a_third_of_the_ttl_and_silence_never_moves_the_deadline() {
    let mut protocol = holding();
    let renewal = protocol.next_tick().expect("a renewal is due");
    assert!(
        renewal >= at(1.0).plus(TTL / 3 * 9 / 10) && renewal <= at(1.0).plus(TTL / 3 * 11 / 10)
    );
    protocol.tick(renewal);
    let (id, _) = sent(&mut protocol);
    // The server says no, again and again; nothing is lost before the deadline.
    let mut refused = id;
    let mut now = renewal;
    let lost_at = loop {
        let no = Err(CommandError::Refused("NOREPLICAS".to_owned()));
        protocol.reply(now, refused, no);
        now = protocol.next_tick().expect("a try or the end is due");
        protocol.tick(now);
        match &drain(&mut protocol)[..] {
            [Output::Send(id, Command::Renew(_))]
            | [Output::RenewalsRefused(..), Output::Send(id, Command::Renew(_))] => refused = *id,
            [Output::Lost(_, Loss::Refused(_))] => break now,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(lost_at, at(1.0).plus(valid(TTL)));
}

#[test]
fn a_renewal_that_finds_the_hold_gone_reports_the_loss_and_the_release_sends_nothing() {
    let mut protocol = holding();
    protocol.tick(at(12.5));
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(12.6), id, Ok(Reply::Renewed(vec![RenewalReply::NotHeld])));
    let request_id = RequestId::from_bits(1);
    assert_eq!(drain(&mut protocol), [Output::Lost(request_id, Loss::NotOnServer)]);
    protocol.release(at(12.7), request_id);
    assert_eq!(drain(&mut protocol), [Output::Finished(request_id, ReleaseOutcome::NotHeld)]);
    assert!(protocol.is_idle());
}

#[test]
fn without_renewal_a_hold_ends_after_its_ttl_and_max_hold_ends_a_renewed_one() {
    let mut protocol = connected();
    protocol.acquire(at(1.0), RequestParams { renew: false, ..request(1) });
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(1.0), id, granted(10));
    drain(&mut protocol);
    taken_up(&mut protocol, 1);
    assert_eq!(protocol.next_tick(), Some(at(1.0).plus(valid(TTL))));

    let mut protocol = connected();
    let max_hold = Some(Duration::from_secs(2));
    protocol.acquire(at(1.0), RequestParams { max_hold, ..request(1) });
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(1.0), id, granted(10));
    drain(&mut protocol);
    protocol.tick(at(3.0));
    assert_eq!(drain(&mut protocol), [Output::Lost(RequestId::from_bits(1), Loss::MaxHold)]);
}

#[test]
fn many_holds_are_renewed_in_few_calls() {
    let mut protocol = connected();
    for bits in 1..=250_u128 {
        protocol.acquire(at(1.0), request(bits << 120 | bits));
        let (id, _) = sent(&mut protocol);
        protocol.reply(at(1.0), id, granted(u64::try_from(bits).expect("small")));
        drain(&mut protocol);
        taken_up(&mut protocol, bits << 120 | bits);
    }
    let mut calls = 0;
    let mut entries = 0;
    while let Some(now) = protocol.next_tick().filter(|&now| now < at(13.0)) {
        protocol.tick(now);
        for output in drain(&mut protocol) {
            let Output::Send(id, Command::Renew(batch)) = output else { panic!("{output:?}") };
            calls += 1;
            entries += batch.len();
            protocol.reply(now, id, Ok(Reply::Renewed(vec![RenewalReply::Renewed; batch.len()])));
        }
        drain(&mut protocol);
    }
    assert_eq!(entries, 250, "each hold is renewed once in a third of its ttl");
    assert!(calls <= 10, "{calls} calls for 250 holds");
}

#[test]
fn a_waiter_is_heard_of_in_its_lease_and_asks_when_the_holder_should_be_over() {
    let mut protocol = queued();
    let refresh = protocol.next_tick().expect("the lease is to be refreshed");
    assert!(refresh < at(1.0).plus(WAITER_LEASE / 2));
    protocol.tick(refresh);
    let (id, call) = sent(&mut protocol);
    assert!(
        matches!(&call, Command::Renew(entries) if matches!(entries[..], [Renewal::Waiter { .. }]))
    );
    let left = Duration::from_millis(100);
    protocol.reply(refresh, id, Ok(Reply::Renewed(vec![RenewalReply::Waiting(Some(left))])));
    let ask = protocol.next_tick().expect("the holder ends");
    assert!(ask > refresh.plus(left) && ask < refresh.plus(left * 2));
    protocol.tick(ask);
    let (_, call) = sent(&mut protocol);
    let Command::Acquire(acquire) = call else { panic!("{call:?}") };
    assert_eq!(acquire.enqueue.expect("it queues").ticket, Some(7), "it keeps its place");
}

#[test]
fn a_long_wait_is_told_after_10_20_and_40_seconds_with_who_holds_the_lock_then() {
    let mut protocol = queued();
    let mut reported = Vec::new();
    while let Some(now) = protocol.next_tick().filter(|&now| now < at(60.0)) {
        protocol.tick(now);
        for output in drain(&mut protocol) {
            match output {
                Output::Send(id, Command::Renew(_)) => protocol.reply(now, id, Ok(still_waiting())),
                Output::Send(id, _) => protocol.reply(now, id, busy(Some(TTL))),
                other => panic!("{other:?}"),
            }
        }
        for output in drain(&mut protocol) {
            let Output::StillWaiting { waited, busy, .. } = output else { panic!("{output:?}") };
            assert!(busy.is_some());
            reported.push(waited.as_secs());
        }
    }
    assert_eq!(reported, [10, 20, 40]);
}

#[test]
fn a_wait_that_ends_names_the_holder_of_shortly_before() {
    let mut protocol = queued_until(at(2.0));
    let mut acquires = 0;
    let failure = 'wait: loop {
        let now = protocol.next_tick().expect("it waits");
        protocol.tick(now);
        for output in drain(&mut protocol) {
            match output {
                Output::Send(id, Command::Renew(_)) => protocol.reply(now, id, Ok(still_waiting())),
                Output::Send(id, Command::Acquire(acquire)) => {
                    assert_eq!(now, at(1.9));
                    assert_eq!(acquire.enqueue.expect("it queues").ticket, Some(7));
                    acquires += 1;
                    protocol.reply(at(1.901), id, Ok(busy_with(11)));
                }
                Output::Failed(_, failure) => break 'wait failure,
                other => panic!("{other:?}"),
            }
        }
    };
    let Failure::Busy(BusyReply { blocked_by: BlockedBy::Holder(Some(holder)), .. }) = failure
    else {
        panic!("{failure:?}")
    };
    assert_eq!((acquires, holder.fence), (1, Fence::new(11)));
}

#[test]
fn a_short_wait_asks_once() {
    let mut protocol = queued_until(at(1.9));
    while let Some(now) = protocol.next_tick().filter(|&now| now < at(1.9)) {
        protocol.tick(now);
        for output in drain(&mut protocol) {
            let Output::Send(id, Command::Renew(_)) = output else { panic!("{output:?}") };
            protocol.reply(now, id, Ok(still_waiting()));
        }
    }
}

#[test]
fn a_single_try_fails_at_once_and_a_deadline_ends_a_wait() {
    let mut protocol = connected();
    protocol.acquire(at(1.0), RequestParams { queue: false, ..request(1) });
    let (id, call) = sent(&mut protocol);
    assert!(matches!(call, Command::Acquire(acquire) if acquire.enqueue.is_none()));
    protocol.reply(at(1.1), id, busy(None));
    assert!(matches!(drain(&mut protocol)[..], [Output::Failed(_, Failure::Busy(_)), ..]));

    let mut protocol = connected();
    protocol.acquire(at(1.0), RequestParams { deadline: Some(at(1.5)), ..request(1) });
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(1.1), id, busy(Some(TTL)));
    protocol.tick(at(1.5));
    let outputs = drain(&mut protocol);
    assert!(matches!(
        outputs[..],
        [Output::Failed(_, Failure::Busy(_)), Output::Send(_, Command::Cancel { .. })]
    ));
}

#[test]
fn a_request_that_got_no_reply_is_ambiguous_and_undone() {
    let mut protocol = connected();
    protocol.acquire(at(1.0), RequestParams { deadline: Some(at(1.5)), ..request(1) });
    let (acquire, _) = sent(&mut protocol);
    protocol.tick(at(1.5));
    let outputs = drain(&mut protocol);
    let [
        Output::Failed(_, Failure::NoReply),
        Output::Send(cancel, Command::Cancel { tombstone, .. }),
    ] = &outputs[..]
    else {
        panic!("{outputs:?}")
    };
    assert_eq!(*tombstone, Duration::ZERO, "the cancel follows on the same connection");
    // The late grant is not shown to anybody.
    protocol.reply(at(1.6), acquire, granted(10));
    assert_eq!(drain(&mut protocol), []);
    protocol.reply(at(1.6), *cancel, Ok(Reply::Released(true)));
    assert!(protocol.is_idle());
}

#[test]
fn a_request_that_has_waited_behind_others_is_busy_when_no_reply_comes_in_time() {
    let mut protocol = connected();
    let deadline = Some(at(1.5));
    protocol.acquire(at(1.0), RequestParams { deadline, queued_locally: true, ..request(1) });
    drain(&mut protocol);
    protocol.tick(at(1.5));
    let outputs = drain(&mut protocol);
    let [Output::Failed(_, Failure::Busy(_)), Output::Send(_, Command::Cancel { .. })] =
        &outputs[..]
    else {
        panic!("busy, and undone, not {outputs:?}")
    };
}

#[test]
fn after_a_broken_connection_the_same_nonce_asks_again_and_its_end_leaves_a_tombstone() {
    let mut protocol = connected();
    protocol.acquire(at(1.0), request(1));
    sent(&mut protocol);
    protocol.disconnected(at(1.1), "reset".to_owned());
    protocol.connected(at(1.2), BOUND);
    let (id, call) = sent(&mut protocol);
    assert!(
        matches!(&call, Command::Acquire(acquire) if acquire.request.id == RequestId::from_bits(1))
    );
    protocol.reply(at(1.3), id, granted(10));
    drain(&mut protocol);
    protocol.release(at(1.4), RequestId::from_bits(1));
    let (_, call) = sent(&mut protocol);
    assert!(
        matches!(&call, Command::Cancel { tombstone, .. } if !tombstone.is_zero()),
        "the first acquire may still arrive: {call:?}"
    );
}

#[test]
fn a_reply_of_an_earlier_connection_counts_for_nothing() {
    let mut protocol = connected();
    protocol.acquire(at(1.0), request(1));
    let (old, _) = sent(&mut protocol);
    protocol.disconnected(at(1.1), "reset".to_owned());
    protocol.reply(at(1.2), old, granted(10));
    assert_eq!(drain(&mut protocol), []);
}

#[test]
fn a_grant_pushed_by_a_connection_that_is_gone_is_asked_about_on_the_next() {
    let mut protocol = queued();
    protocol.disconnected(at(2.0), "reset".to_owned());
    protocol.notification(at(2.9), granted_by_push(11));
    assert_eq!(drain(&mut protocol), []);
    protocol.connected(at(3.0), BOUND);
    assert!(matches!(sent(&mut protocol).1, Command::Acquire(_)));
}

#[test]
fn holds_are_verified_at_once_on_a_new_connection() {
    let mut protocol = holding();
    protocol.disconnected(at(2.0), "restart".to_owned());
    protocol.connected(at(2.1), BOUND);
    assert!(matches!(sent(&mut protocol).1, Command::Renew(_)));
}

#[test]
fn an_unreachable_server_fails_requests_after_the_outage_and_hopeless_ones_at_once() {
    let mut protocol = Protocol::new(at(0.0), Timing::default(), "inbox".to_owned(), TTL);
    protocol.acquire(at(1.0), request(1));
    protocol.connect_failed(
        at(1.1),
        "connection refused".to_owned(),
        ConnectErrorKind::Unreachable,
    );
    assert_eq!(drain(&mut protocol), []);
    protocol.tick(at(6.0));
    let outputs = drain(&mut protocol);
    let [Output::Failed(_, Failure::Unavailable(why)), Output::Finished(..)] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert_eq!(why, "connection refused");

    protocol.acquire(at(7.0), request(2));
    protocol.connect_failed(at(7.1), "WRONGPASS".to_owned(), ConnectErrorKind::Permanent);
    assert!(matches!(drain(&mut protocol)[..], [Output::Failed(_, Failure::Refused(_)), ..]));
}

/// A machine with a window of 16 calls, of which two may be for requests that were asked before.
fn narrow() -> Protocol {
    let timing = Timing { max_in_flight: 16, ..Timing::default() };
    let mut protocol = Protocol::new(at(0.0), timing, "inbox".to_owned(), TTL);
    protocol.connected(at(0.0), BOUND);
    protocol
}

/// The calls among these outputs.
fn calls(outputs: Vec<Output>) -> Vec<(CommandId, Command)> {
    let call = |output| match output {
        Output::Send(id, call) => Some((id, call)),
        _ => None,
    };
    outputs.into_iter().filter_map(call).collect()
}

#[test]
fn so_many_calls_are_under_way_and_ends_come_before_requests() {
    let mut protocol = narrow();
    for bits in 1..=40 {
        protocol.acquire(at(1.0), request(bits));
    }
    let under_way = calls(drain(&mut protocol));
    assert_eq!(under_way.len(), 16);
    protocol.release(at(1.1), RequestId::from_bits(3));
    protocol.release(at(1.1), RequestId::from_bits(30));
    assert!(calls(drain(&mut protocol)).is_empty(), "the window is full");
    protocol.reply(at(1.2), under_way[0].0, granted(10));
    let next = calls(drain(&mut protocol));
    assert!(matches!(next[..], [(_, Command::Cancel { .. })]), "{next:?}");
    protocol.reply(at(1.2), under_way[1].0, granted(11));
    let next = calls(drain(&mut protocol));
    let [(_, Command::Acquire(acquire))] = &next[..] else { panic!("{next:?}") };
    assert_eq!(acquire.request.id, RequestId::from_bits(17));
}

#[test]
fn what_was_known_before_is_asked_again_in_slices_and_new_requests_come_between() {
    let mut protocol = narrow();
    let mut fence = 10;
    for bits in 1..=40 {
        protocol.acquire(at(1.0), request(bits));
        for (id, _) in calls(drain(&mut protocol)) {
            // The first is held, all others wait.
            let reply = if bits == 1 { granted(fence) } else { busy(Some(TTL)) };
            fence += 1;
            protocol.reply(at(1.0), id, reply);
        }
    }
    protocol.acquire(at(1.9), request(45));
    assert_eq!(calls(drain(&mut protocol)).len(), 1, "on its way when the connection breaks");
    protocol.disconnected(at(2.0), "reset".to_owned());
    protocol.connected(at(2.1), BOUND);
    let mut resumed = calls(drain(&mut protocol));
    let Some((cut_off, Command::Acquire(acquire))) = resumed.pop() else { panic!("{resumed:?}") };
    assert_eq!(
        acquire.request.id,
        RequestId::from_bits(45),
        "it waits for none of those that wait"
    );
    protocol.reply(at(2.1), cut_off, busy(Some(TTL)));
    resumed.extend(calls(drain(&mut protocol)));
    assert!(matches!(&resumed[0].1, Command::Renew(entries) if entries.len() == 1), "{resumed:?}");
    assert_eq!(resumed.len(), 2, "a renewal, and a slice of those that wait");
    protocol.acquire(at(2.2), request(50));
    let new = calls(drain(&mut protocol));
    let [(_, Command::Acquire(acquire))] = &new[..] else { panic!("{new:?}") };
    assert_eq!(acquire.request.id, RequestId::from_bits(50));
    protocol.reply(at(2.3), resumed[0].0, Ok(Reply::Renewed(vec![RenewalReply::Renewed])));
    protocol.reply(at(2.3), new[0].0, busy(Some(TTL)));
    let mut may_be_on_server = 1;
    let mut under_way = vec![resumed[1].clone()];
    while let Some((id, _)) = under_way.pop() {
        protocol.reply(at(2.4), id, busy(Some(TTL)));
        let more = calls(drain(&mut protocol));
        may_be_on_server += more.len();
        under_way.extend(more);
    }
    assert_eq!(may_be_on_server, 39, "all that wait were asked again");
}

#[test]
fn a_connection_is_dead_when_nothing_arrives_and_not_when_many_replies_are_due() {
    let mut protocol = connected();
    for bits in 1..=4 {
        protocol.acquire(at(1.0), request(bits));
    }
    let under_way = calls(drain(&mut protocol));
    for (round, (id, _)) in under_way.iter().take(3).enumerate() {
        let now = at(2.9 + 1.9 * f64::from(u32::try_from(round).unwrap()));
        protocol.tick(now);
        assert!(!drain(&mut protocol).contains(&Output::Reconnect), "round {round}");
        protocol.reply(now, *id, busy(Some(TTL)));
    }
    protocol.tick(at(6.7 + 2.0));
    assert!(drain(&mut protocol).contains(&Output::Reconnect));
}

#[test]
fn a_short_ttl_shortens_the_time_out_so_that_a_renewal_on_another_connection_is_in_time() {
    let mut protocol = connected();
    let ttl = Duration::from_millis(1500);
    protocol.acquire(at(1.0), RequestParams { ttl, ..request(1) });
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(1.001), id, granted(10));
    drain(&mut protocol);
    let renewal = protocol.next_tick().unwrap();
    protocol.tick(renewal);
    assert!(matches!(sent(&mut protocol).1, Command::Renew(_)));
    let silent = protocol.next_tick().unwrap();
    assert!(silent <= renewal.plus(ttl / 3), "{silent:?}");
    protocol.tick(silent);
    assert!(drain(&mut protocol).contains(&Output::Reconnect));
    protocol.release(silent, RequestId::from_bits(1));
    protocol.connected(silent, BOUND);
    drain(&mut protocol);
}

#[test]
fn a_crowd_of_waiters_is_heard_of_less_often_with_leases_to_match() {
    let mut protocol = connected();
    let mut entries = 0;
    for number in 1..=20_000_u128 {
        // As names are: bits that differ everywhere.
        let bits = number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        protocol.acquire(at(1.0), request(bits));
        for (id, _) in calls(drain(&mut protocol)) {
            protocol.reply(at(1.0), id, busy(Some(TTL)));
        }
    }
    let mut under_way = 0;
    while let Some(now) = protocol.next_tick().filter(|&now| now < at(10.9)) {
        protocol.tick(now);
        for (id, call) in calls(drain(&mut protocol)) {
            let Command::Renew(renewals) = call else { continue };
            let leases_match = renewals.iter().all(|renewal| {
                matches!(renewal, Renewal::Waiter { lease, .. } if *lease > Duration::from_secs(15))
            });
            assert!(leases_match, "the refresh comes thrice in the lease");
            entries += renewals.len();
            under_way = under_way.max(renewals.len());
            let replies = renewals.iter().map(|_| RenewalReply::Waiting(Some(TTL))).collect();
            protocol.reply(now, id, Ok(Reply::Renewed(replies)));
        }
    }
    let most = 10 * 4_000 * 3 / 2;
    assert!((20_000..most).contains(&entries), "{entries} in 10 s");
}

#[test]
fn a_grant_is_looked_at_when_its_claim_time_is_over() {
    let mut protocol = connected();
    protocol.acquire(at(1.0), request(1));
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(1.001), id, granted(10));
    drain(&mut protocol);
    protocol.tick(at(2.9));
    assert!(
        !drain(&mut protocol).contains(&Output::CheckClaimed(RequestId::from_bits(1))),
        "it may come yet"
    );
    protocol.tick(at(3.1));
    assert!(drain(&mut protocol).contains(&Output::CheckClaimed(RequestId::from_bits(1))));
}

#[test]
fn a_hold_is_looked_at_once_after_its_claim_time() {
    let mut protocol = holding();
    protocol.check_claimed_at(at(2.5), RequestId::from_bits(1), Some(at(3.0)));
    protocol.tick(at(2.9));
    assert_eq!(drain(&mut protocol), []);
    protocol.tick(at(3.1));
    assert_eq!(drain(&mut protocol), [Output::CheckClaimed(RequestId::from_bits(1))]);
    protocol.check_claimed_at(at(3.0), RequestId::from_bits(1), Some(at(3.5)));
    protocol.tick(at(3.6));
    assert_eq!(drain(&mut protocol), [Output::CheckClaimed(RequestId::from_bits(1))]);
    protocol.tick(at(5.0));
    assert_eq!(drain(&mut protocol), []);
}

fn once(bits: u128) -> RequestParams {
    RequestParams { queue: false, ..request(bits) }
}

#[test]
fn a_single_try_waits_for_the_first_attempt_to_connect_only() {
    let mut protocol = Protocol::new(at(0.0), Timing::default(), "inbox".to_owned(), TTL);
    protocol.acquire(at(1.0), once(1));
    protocol.tick(at(1.05));
    assert_eq!(drain(&mut protocol), []);
    protocol.connect_failed(
        at(1.1),
        "connection refused".to_owned(),
        ConnectErrorKind::Unreachable,
    );
    let refused = |protocol: &mut Protocol| {
        let outputs = drain(protocol);
        matches!(&outputs[..], [Output::Failed(_, Failure::Unavailable(_)), Output::Finished(..)])
    };
    assert!(refused(&mut protocol));
    protocol.acquire(at(1.2), once(2));
    assert!(refused(&mut protocol));
    protocol.connected(at(2.0), BOUND);
    protocol.disconnected(at(3.0), "reset".to_owned());
    protocol.acquire(at(3.1), once(3));
    assert_eq!(drain(&mut protocol), [], "the server may be there");
    protocol.connected(at(3.2), BOUND);
    assert!(matches!(sent(&mut protocol).1, Command::Acquire(_)));
}

#[test]
fn without_an_outage_to_bear_the_first_failed_attempt_ends_a_request() {
    let timing = Timing { outage_timeout: Duration::ZERO, ..Timing::default() };
    let mut protocol = Protocol::new(at(0.0), timing, "inbox".to_owned(), TTL);
    protocol.acquire(at(1.0), request(1));
    protocol.tick(at(1.05));
    assert_eq!(drain(&mut protocol), []);
    protocol.connect_failed(
        at(1.1),
        "connection refused".to_owned(),
        ConnectErrorKind::Unreachable,
    );
    assert!(matches!(drain(&mut protocol)[..], [Output::Failed(_, Failure::Unavailable(_)), ..]));
}

#[test]
fn an_outage_without_end_fails_no_request() {
    let timing = Timing { outage_timeout: Duration::MAX, ..Timing::default() };
    let mut protocol = Protocol::new(at(0.0), timing, "inbox".to_owned(), TTL);
    protocol.acquire(at(1.0), request(1));
    protocol.connect_failed(
        at(1.1),
        "connection refused".to_owned(),
        ConnectErrorKind::Unreachable,
    );
    protocol.tick(at(1_000_000.0));
    assert!(matches!(drain(&mut protocol)[..], [Output::StillWaiting { .. }]));
}

#[test]
fn a_wait_for_the_release_fails_when_the_server_cannot_be_reached() {
    let mut protocol = holding();
    protocol.disconnected(at(2.0), "reset".to_owned());
    protocol.release(at(3.0), RequestId::from_bits(1));
    protocol.tick(at(7.9));
    assert_eq!(drain(&mut protocol), []);
    protocol.tick(at(8.0));
    assert_eq!(drain(&mut protocol), [Output::ReleaseUnconfirmed(RequestId::from_bits(1))]);
    protocol.connected(at(9.0), BOUND);
    assert!(matches!(sent(&mut protocol).1, Command::Cancel { .. }), "it is released all the same");
}

#[test]
fn a_lock_that_was_busy_is_busy_at_the_deadline_also_while_the_connection_is_made_again() {
    let mut protocol = connected();
    protocol.acquire(at(1.0), RequestParams { deadline: Some(at(1.009)), ..request(1) });
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(1.001), id, busy(Some(TTL)));
    protocol.disconnected(at(1.002), "reset".to_owned());
    protocol.tick(at(1.009));
    assert!(matches!(drain(&mut protocol)[..], [Output::Failed(_, Failure::Busy(_))]));
}

#[test]
fn a_request_after_its_deadline_is_not_sent() {
    let mut protocol = connected();
    protocol.acquire(at(1.01), RequestParams { deadline: Some(at(1.001)), ..request(1) });
    protocol.tick(at(1.01));
    let outputs = drain(&mut protocol);
    assert!(
        matches!(outputs[..], [Output::Failed(_, Failure::Busy(_)), Output::Finished(..)]),
        "{outputs:?}"
    );
}

#[test]
fn grants_that_are_over_when_they_arrive_are_given_back_after_a_few() {
    let mut protocol = connected();
    let ttl = Duration::from_millis(100);
    protocol.acquire(at(1.0), RequestParams { ttl, ..request(1) });
    for round in 0..3 {
        let (id, call) = sent(&mut protocol);
        assert!(matches!(call, Command::Acquire(_)), "round {round}");
        let now = at(1.15 * f64::from(round + 1));
        protocol.reply(now, id, granted(10 + u64::from(round == 0)));
        protocol.tick(now);
        if round == 2 {
            let outputs = drain(&mut protocol);
            assert!(
                matches!(
                    outputs[..],
                    [
                        Output::Failed(_, Failure::RepliesTooSlow { .. }),
                        Output::Send(_, Command::Cancel { .. })
                    ]
                ),
                "{outputs:?}"
            );
        }
    }
}

#[test]
fn a_token_that_is_not_above_those_seen_before_is_refused_and_given_back() {
    let mut protocol = holding();
    protocol.acquire(at(2.0), request(2));
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(2.1), id, granted(10));
    assert!(matches!(
        drain(&mut protocol)[..],
        [Output::Failed(_, Failure::Refused(_)), Output::Send(_, Command::Cancel { .. })]
    ));
}

#[test]
fn a_server_that_does_not_answer_is_left_and_asked_on_a_new_connection() {
    let mut protocol = connected();
    protocol.acquire(at(1.0), request(1));
    sent(&mut protocol);
    let stalled = protocol.next_tick().expect("the reply is overdue some time");
    assert_eq!(stalled, at(1.0).plus(Timing::default().reply));
    protocol.tick(stalled);
    assert_eq!(drain(&mut protocol), [Output::Reconnect]);
    protocol.connected(stalled, BOUND);
    assert!(matches!(sent(&mut protocol).1, Command::Acquire(_)));
}

#[test]
fn a_script_that_the_server_forgot_is_sent_again_without_a_pause() {
    let mut protocol = connected();
    protocol.acquire(at(1.0), request(1));
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(1.1), id, Err(CommandError::ScriptMissing));
    protocol.tick(at(1.1));
    assert!(matches!(sent(&mut protocol).1, Command::Acquire(_)));
}

#[test]
fn a_longer_ttl_of_a_nested_call_is_written_soon_and_a_shorter_one_never() {
    let mut protocol = holding();
    protocol.raise_ttl(at(2.0), RequestId::from_bits(1), TTL / 2);
    protocol.tick(at(2.0));
    assert_eq!(drain(&mut protocol), []);
    protocol.raise_ttl(at(2.0), RequestId::from_bits(1), TTL * 2);
    protocol.tick(at(2.0));
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(2.0), id, Ok(Reply::Renewed(vec![RenewalReply::Renewed])));
    let longer = at(2.0).plus(valid(TTL * 2));
    assert_eq!(drain(&mut protocol), [Output::Extended(RequestId::from_bits(1), longer)]);
}

#[test]
fn a_holder_learns_of_waiters_by_push_and_by_renewal() {
    let mut protocol = holding();
    let request_id = RequestId::from_bits(1);
    protocol.notification(at(2.0), Notification::Contended(request_id));
    protocol.notification(at(2.0), Notification::Contended(RequestId::from_bits(9)));
    assert_eq!(drain(&mut protocol), [Output::Contended(request_id)]);
    protocol.tick(at(11.5));
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(11.5), id, Ok(Reply::Renewed(vec![RenewalReply::RenewedContended])));
    let extended = Output::Extended(request_id, at(11.5).plus(valid(TTL)));
    assert_eq!(drain(&mut protocol), [extended, Output::Contended(request_id)]);
}

#[test]
fn a_hold_that_an_operator_released_is_lost_at_once_and_not_released_again() {
    let mut protocol = holding();
    let id = RequestId::from_bits(1);
    for (id, fence) in [(id, 11), (RequestId::from_bits(9), 10)] {
        protocol.notification(at(2.0), Notification::ForceReleased(id, Fence::new(fence)));
        assert_eq!(drain(&mut protocol), [], "another hold");
    }
    protocol.notification(at(2.0), Notification::ForceReleased(id, Fence::new(10)));
    assert_eq!(drain(&mut protocol), [Output::Lost(id, Loss::ForceReleased)]);
    protocol.release(at(2.0), id);
    let released = drain(&mut protocol);
    assert_eq!(released, [Output::Finished(id, ReleaseOutcome::NotHeld)], "nothing is sent");
}

#[test]
fn a_request_that_takes_the_place_of_another_keeps_its_ticket() {
    let mut protocol = queued();
    protocol.replace(at(2.0), RequestId::from_bits(1), request(2));
    let calls: Vec<_> = drain(&mut protocol);
    let [Output::Send(_, Command::Acquire(ask)), Output::Send(_, Command::Cancel { request, .. })] =
        &calls[..]
    else {
        panic!("an acquire and a cancel, not {calls:?}")
    };
    assert_eq!((ask.request.id, request.id), (RequestId::from_bits(2), RequestId::from_bits(1)));
    assert_eq!(ask.enqueue.as_ref().and_then(|place| place.ticket), Some(7));
}

#[test]
fn a_renewal_under_way_when_a_nested_call_wants_longer_lasts_only_as_long_as_it_asked_for() {
    let mut protocol = holding();
    protocol.tick(at(12.0));
    let (id, _) = sent(&mut protocol);
    protocol.raise_ttl(at(12.001), RequestId::from_bits(1), TTL * 2);
    protocol.reply(at(12.002), id, Ok(Reply::Renewed(vec![RenewalReply::Renewed])));
    let request_id = RequestId::from_bits(1);
    assert_eq!(drain(&mut protocol), [Output::Extended(request_id, at(12.0).plus(valid(TTL)))]);
    protocol.tick(at(12.002));
    let (id, call) = sent(&mut protocol);
    assert!(matches!(call, Command::Renew(entries)
        if matches!(entries[..], [Renewal::Hold { ttl, .. }] if ttl > TTL * 2)));
    protocol.reply(at(12.003), id, Ok(Reply::Renewed(vec![RenewalReply::Renewed])));
    let extended = Output::Extended(request_id, at(12.002).plus(valid(TTL * 2)));
    assert_eq!(drain(&mut protocol), [extended]);
}

#[test]
fn max_hold_starts_again_for_the_caller_that_gets_the_hold() {
    let mut protocol = connected();
    let max_hold = Some(Duration::from_secs(20));
    protocol.acquire(at(1.0), RequestParams { max_hold, ..request(1) });
    let (id, _) = sent(&mut protocol);
    protocol.reply(at(1.0), id, granted(10));
    protocol.record_handoff(at(5.0), RequestId::from_bits(1));
    let Some(Output::Extended(_, end)) = drain(&mut protocol).pop() else { panic!("extended") };
    assert_eq!(end, at(25.0));
}

/// One thing that can happen to a machine.
#[derive(Clone, Debug)]
enum Event {
    Request(u8, bool, Option<u16>),
    RequestAll(Option<u16>),
    End(u8),
    Answer(u8, u8),
    Push(u8),
    Watch(u8),
    Unwatch(u8),
    Disconnect,
    Connect,
    Later(u16),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        1 => (0..4_u8, any::<bool>(), proptest::option::of(0..4000_u16))
            .prop_map(|(owner, queue, wait)| Event::Request(owner, queue, wait)),
        1 => proptest::option::of(0..4000_u16).prop_map(Event::RequestAll),
        1 => (0..4_u8).prop_map(Event::End),
        4 => (0..4_u8, 0..12_u8).prop_map(|(which, what)| Event::Answer(which, what)),
        1 => (0..4_u8).prop_map(Event::Push),
        2 => (0..4_u8).prop_map(Event::Watch),
        1 => (0..4_u8).prop_map(Event::Unwatch),
        1 => Just(Event::Disconnect),
        3 => Just(Event::Connect),
        3 => (0..3000_u16).prop_map(Event::Later),
    ];
    proptest::collection::vec(event, 1..80)
}

fn any_reply(what: u8, fence: u64, call: &Command) -> Result<Reply, CommandError> {
    match (what, call) {
        (0, _) => Err(CommandError::Refused("no".to_owned())),
        (1, _) => Err(CommandError::TryAgain("LOADING".to_owned())),
        (2, _) => Err(CommandError::InvalidReply("?".to_owned())),
        (3, _) => Err(CommandError::ScriptMissing),
        (4, _) => Err(CommandError::ConnectionLost),
        (5, Command::Acquire(_)) => Ok(Reply::Acquire(AcquireReply::Cancelled)),
        (6..=8, Command::Acquire(_)) => busy(Some(Duration::from_millis(300))),
        (_, Command::Acquire(_)) => granted(fence),
        (5..=7, Command::AcquireAll(_)) => Ok(Reply::AcquiredAll(None)),
        (_, Command::AcquireAll(asks)) => {
            let size = u32::try_from(asks.len()).expect("few");
            Ok(Reply::AcquiredAll(Some(FenceRange::new(Fence::new(fence), size))))
        }
        (even, Command::Renew(batch)) if even % 2 == 0 => {
            Ok(Reply::Renewed(batch.iter().map(|_| RenewalReply::AcquireAgain).collect()))
        }
        (_, Command::Renew(batch)) => {
            let answer = |entry: &Renewal| match entry {
                Renewal::Hold { .. } => RenewalReply::Renewed,
                Renewal::Waiter { .. } => RenewalReply::Waiting(None),
            };
            Ok(Reply::Renewed(batch.iter().map(answer).collect()))
        }
        (what, Command::Probe(probe)) => Ok(Reply::Probed(any_cycle(what, fence, probe))),
        (even, _) => Ok(Reply::Released(even % 2 == 0)),
    }
}

/// A cycle with one other request, whose registration may be as old as can be.
fn any_cycle(what: u8, at_us: u64, probe: &Probe) -> ProbeReply {
    let member = |id, refreshed_us| BlockedRequest {
        id,
        refreshed_us,
        key: probe.key.clone(),
        owner: probe.owner.clone(),
    };
    let other = member(RequestId::from_bits(900), if what < 10 { at_us } else { 0 });
    let cycle = if what < 5 { Vec::new() } else { vec![member(probe.id, at_us), other] };
    ProbeReply { at_us, cycle }
}

proptest! {
    /// For any sequence of events: time advances, a hold needs a grant to its request id, and each
    /// request has one outcome.
    #[test]
    fn no_sequence_of_events_stops_the_clock_or_makes_a_hold_of_nothing(events in events()) {
        let mut protocol = Protocol::new(at(0.0), Timing::default(), "inbox".to_owned(), TTL);
        let (mut now, mut up) = (at(0.0), false);
        let (mut calls, mut open, mut granted_to) = (Vec::new(), Vec::new(), Vec::new());
        let (mut serial, mut fence) = (0_u128, 0_u64);
        let (mut watched, mut groups) = (std::collections::BTreeSet::new(), Vec::new());
        let mut names: Vec<u128> = vec![0; 4];
        for event in events {
            match event {
                Event::Request(owner, queue, wait) => {
                    serial += 1;
                    names[usize::from(owner)] = serial;
                    let deadline = wait.map(|ms| now.plus(Duration::from_millis(ms.into())));
                    protocol.acquire(now, RequestParams { deadline, queue, ..request(serial) });
                    open.push(RequestId::from_bits(serial));
                }
                Event::RequestAll(wait) => {
                    let deadline = wait.map(|ms| now.plus(Duration::from_millis(ms.into())));
                    let group: Vec<_> = (1..=3).map(|more| serial + more).collect();
                    serial += 3;
                    names[..3].copy_from_slice(&group);
                    open.extend(group.iter().copied().map(RequestId::from_bits));
                    groups.push(group.iter().copied().map(RequestId::from_bits).collect());
                    let requests = group.into_iter().map(request);
                    let requests = requests.map(|request| RequestParams { deadline, ..request });
                    protocol.acquire_all(now, requests.collect());
                }
                Event::End(owner) => {
                    let request_id = RequestId::from_bits(names[usize::from(owner)]);
                    protocol.release(now, request_id);
                    open.retain(|&other| other != request_id);
                }
                Event::Answer(which, what) if !calls.is_empty() => {
                    let index = usize::from(which) % calls.len();
                    let (id, call): (CommandId, Command) = calls.remove(index);
                    fence += 1;
                    let reply = any_reply(what, fence, &call);
                    match (&reply, &call) {
                        (Ok(Reply::Acquire(AcquireReply::Granted(_))), Command::Acquire(ask)) => {
                            granted_to.push(ask.request.id);
                        }
                        (Ok(Reply::AcquiredAll(Some(_))), Command::AcquireAll(asks)) => {
                            granted_to.extend(asks.iter().map(|ask| ask.request.id));
                            fence += 2;
                        }
                        _ => {}
                    }
                    protocol.reply(now, id, reply);
                }
                Event::Push(owner) => {
                    let request_id = RequestId::from_bits(names[usize::from(owner)]);
                    granted_to.push(request_id);
                    fence += 1;
                    protocol.notification(now, Notification::Granted(request_id, fences(fence)));
                }
                Event::Watch(owner) => {
                    watched.insert(owner);
                    protocol.start_probing(now, RequestId::from_bits(500 + u128::from(owner)));
                }
                Event::Unwatch(owner) => {
                    watched.remove(&owner);
                    protocol.stop_probing(RequestId::from_bits(500 + u128::from(owner)));
                }
                Event::Disconnect if up => {
                    up = false;
                    calls.clear();
                    protocol.disconnected(now, "reset".to_owned());
                }
                Event::Connect if !up => {
                    up = true;
                    protocol.connected(now, BOUND);
                }
                Event::Later(ms) => now = now.plus(Duration::from_millis(ms.into())),
                Event::Answer(..) | Event::Disconnect | Event::Connect => {}
            }
            protocol.tick(now);
            prop_assert!(protocol.next_tick().is_none_or(|due| due > now), "{protocol:?} at \
                {now:?}");
            while let Some(output) = protocol.poll_output() {
                match output {
                    Output::Send(id, call) => {
                        prop_assert!(up, "sent without a connection");
                        calls.push((id, call));
                    }
                    Output::Granted { id: request_id, valid_until, .. } => {
                        prop_assert!(granted_to.contains(&request_id));
                        prop_assert!(valid_until > now);
                        prop_assert!(open.contains(&request_id), "reported twice or too late");
                        open.retain(|&other| other != request_id);
                    }
                    Output::Failed(request_id, _) => {
                        prop_assert!(open.contains(&request_id), "reported twice or too late");
                        open.retain(|&other| other != request_id);
                    }
                    Output::Reconnect => {
                        up = false;
                        calls.clear();
                    }
                    Output::Probe(id) => {
                        prop_assert!(up, "probed without a connection");
                        let owner = request(serial).owner;
                        protocol.send_probe(now, Probe {
                            id,
                            chain: vec![RequestId::from_bits(901)],
                            target: WaitTarget::Key,
                            key: "key".to_owned(),
                            waited: Duration::ZERO,
                            owner,
                        });
                    }
                    Output::NotTogether(group) => {
                        prop_assert!(groups.contains(&group), "a group that was asked for");
                        let is_open = group.iter().any(|request_id| open.contains(request_id));
                        prop_assert!(is_open, "reported twice");
                        open.retain(|request_id| !group.contains(request_id));
                    }
                    Output::Deadlock(id, cycle) => {
                        let id_of = |owner| RequestId::from_bits(500 + u128::from(owner));
                        let owner = (0..4).find(|&owner: &u8| id_of(owner) == id);
                        prop_assert!(owner.is_some_and(|owner| watched.remove(&owner)), "reported \
                            twice");
                        prop_assert!(cycle.iter().all(|member| member.refreshed_us > 1));
                    }
                    _ => {}
                }
            }
        }
    }
}
