//! The machine, driven by hand: no server, no clock.

pub(crate) mod at_once;
pub(crate) mod bounds;
pub(crate) mod late;
pub(crate) mod lies;
pub(crate) mod refused;
pub(crate) mod watch;

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use crate::protocol::claim::{Failure, Loss, Request};
use crate::protocol::machine::{CallError, CallId, Machine, Outlook, Output};
use crate::protocol::signal::Signal;
use crate::protocol::timing::Timing;
use crate::types::fence::{Fence, FenceBlock};
use crate::types::owner_info::OwnerInfo;
use crate::types::request_id::Nonce;
use crate::types::time::Timestamp;
use crate::wire::call::{Call, Renewal, WAITER_LEASE};
use crate::wire::probe::{Member, Probe, Probed, Target};
use crate::wire::reply::{AcquireReply, Busy, Grant, Notice, Obstacle, RenewalReply, Reply};

const TTL: Duration = Duration::from_secs(30);
/// What the server knows of the longest lease: nothing here asks for a longer one unless it says so.
const BOUND: Duration = Duration::from_mins(2);

fn at(seconds: f64) -> Timestamp {
    Timestamp::ZERO.plus(Duration::from_secs_f64(1000.0 + seconds))
}

fn connected() -> Machine {
    let mut machine = Machine::new(at(0.0), Timing::default(), "inbox".to_owned(), TTL);
    machine.connected(at(0.0), BOUND);
    machine
}

fn request(bits: u128) -> Request {
    Request {
        key: Arc::from("key"),
        nonce: Nonce::from_bits(bits),
        since: at(1.0),
        ttl: TTL,
        deadline: None,
        queue: true,
        renew: true,
        max_hold: None,
        behind: false,
        expects_free: false,
        block: 1,
        who: OwnerInfo {
            ttl: TTL,
            since_unix_ms: 0,
            pid: 1,
            host: "host".into(),
            function: "function".to_owned(),
        },
    }
}

fn fences(first: u64) -> FenceBlock {
    FenceBlock::new(Fence::new(first), 1)
}

fn pushed(first: u64) -> Notice {
    Notice::Granted(Nonce::from_bits(1), fences(first))
}

/// What is left of a ttl when its margin of one percent is off.
fn valid(ttl: Duration) -> Duration {
    ttl.mul_f64(0.99)
}

fn drain(machine: &mut Machine) -> Vec<Output> {
    std::iter::from_fn(|| machine.poll_output()).collect()
}

/// The only call that was sent since the last look.
fn sent(machine: &mut Machine) -> (CallId, Call) {
    let outputs = drain(machine);
    match &outputs[..] {
        [Output::Send(id, call)] => (*id, call.clone()),
        other => panic!("expected one call, got {other:?}"),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "goes in as a reply, which may be an error")]
fn granted(fence: u64) -> Result<Reply, CallError> {
    Ok(Reply::Acquire(AcquireReply::Granted(Grant { fences: fences(fence), waited_for: false })))
}

#[expect(clippy::unnecessary_wraps, reason = "goes in as a reply, which may be an error")]
fn busy(left: Option<Duration>) -> Result<Reply, CallError> {
    let busy = Busy { obstacle: Obstacle::Holder(None), left, ahead: 0, ticket: Some(7) };
    Ok(Reply::Acquire(AcquireReply::Busy(busy)))
}

/// A machine that holds nonce 1 since `at(1.0)`.
fn holding() -> Machine {
    let mut machine = connected();
    machine.request(at(1.0), request(1));
    let (id, _) = sent(&mut machine);
    machine.reply(at(1.001), id, granted(10));
    drain(&mut machine);
    taken_up(&mut machine, 1);
    machine
}

/// The request took up its hold: the machine need not check it.
fn taken_up(machine: &mut Machine, bits: u128) {
    machine.look_again(Nonce::from_bits(bits), None);
}

/// A machine in which nonce 1 waits since `at(1.0)`, behind a holder that has 30 s left.
fn queued() -> Machine {
    let mut machine = connected();
    machine.request(at(1.0), request(1));
    let (id, _) = sent(&mut machine);
    machine.reply(at(1.001), id, busy(Some(TTL)));
    assert_eq!(drain(&mut machine), []);
    machine
}

#[test]
fn a_hold_is_valid_from_the_instant_before_its_request_was_sent() {
    let mut machine = connected();
    machine.request(at(1.0), request(1));
    let (id, _) = sent(&mut machine);
    machine.reply(at(5.0), id, granted(10));
    let valid_until = at(1.0).plus(valid(TTL));
    let nonce = Nonce::from_bits(1);
    assert_eq!(
        drain(&mut machine),
        [Output::Granted {
            nonce,
            grant: Grant { fences: fences(10), waited_for: false },
            valid_until
        }]
    );
}

#[test]
fn a_grant_that_arrives_after_its_lease_is_asked_for_again_and_never_shown() {
    let mut timing = Timing { reply: Duration::from_secs(120), ..Timing::default() };
    timing.quarantine = false;
    let mut machine = Machine::new(at(0.0), timing, "inbox".to_owned(), TTL);
    machine.connected(at(0.0), BOUND);
    machine.request(at(1.0), request(1));
    let (id, first) = sent(&mut machine);
    machine.reply(at(40.0), id, granted(10));
    machine.tick(at(40.0));
    let (_, again) = sent(&mut machine);
    let (Call::Acquire(first), Call::Acquire(again)) = (first, again) else {
        panic!("both are acquires")
    };
    assert_eq!(first.give.nonce, again.give.nonce);
    assert_eq!(again.give.floor, Fence::new(10));
}

#[test]
fn a_pushed_grant_is_valid_from_the_last_word_that_the_request_still_waits() {
    let mut machine = queued();
    machine.notice(at(1.1), pushed(11));
    let guard = Duration::from_millis(20);
    let claim = WAITER_LEASE.saturating_sub(guard);
    let valid_until = at(1.0).plus(valid(claim));
    let nonce = Nonce::from_bits(1);
    assert_eq!(
        drain(&mut machine),
        [Output::Granted {
            nonce,
            grant: Grant { fences: fences(11), waited_for: true },
            valid_until
        }]
    );
}

#[test]
fn a_pushed_grant_whose_claim_is_nearly_over_is_confirmed_before_it_is_shown() {
    let mut machine = queued();
    machine.notice(at(2.9), pushed(11));
    let (id, call) = sent(&mut machine);
    assert!(matches!(call, Call::Acquire(_)));
    machine.reply(at(2.91), id, granted(11));
    let valid_until = at(2.9).plus(valid(TTL));
    let nonce = Nonce::from_bits(1);
    assert_eq!(
        drain(&mut machine),
        [Output::Granted {
            nonce,
            grant: Grant { fences: fences(11), waited_for: false },
            valid_until
        }]
    );
}

#[test]
fn a_pushed_grant_that_lasts_gets_its_full_ttl_and_a_short_one_costs_no_call() {
    let mut machine = queued();
    machine.notice(at(1.1), pushed(11));
    drain(&mut machine);
    let mut short = queued();
    short.notice(at(1.1), pushed(11));
    drain(&mut short);
    short.end(at(1.11), Nonce::from_bits(1));
    assert!(matches!(sent(&mut short).1, Call::Release(_)));

    machine.tick(at(1.2));
    let (id, call) = sent(&mut machine);
    assert!(matches!(&call, Call::Renew(entries) if matches!(entries[..], [Renewal::Hold { .. }])));
    machine.reply(at(1.21), id, Ok(Reply::Renewed(vec![RenewalReply::Renewed])));
    let full = at(1.2).plus(valid(TTL));
    assert_eq!(drain(&mut machine), [Output::Extended(Nonce::from_bits(1), full)]);
}

#[test]
fn a_renewal_goes_out_at_a_third_of_the_ttl_and_silence_never_moves_the_deadline() {
    let mut machine = holding();
    let renewal = machine.next_tick().expect("a renewal is due");
    assert!(
        renewal >= at(1.0).plus(TTL / 3 * 9 / 10) && renewal <= at(1.0).plus(TTL / 3 * 11 / 10)
    );
    machine.tick(renewal);
    let (id, _) = sent(&mut machine);
    // The server says no, again and again; nothing is lost before the deadline.
    let mut refused = id;
    let mut now = renewal;
    let lost_at = loop {
        let no = Err(CallError::Refused("NOREPLICAS".to_owned()));
        machine.reply(now, refused, no);
        now = machine.next_tick().expect("a try or the end is due");
        machine.tick(now);
        match &drain(&mut machine)[..] {
            [Output::Send(id, Call::Renew(_))]
            | [Output::RenewalsRefused(..), Output::Send(id, Call::Renew(_))] => refused = *id,
            [Output::Lost(_, Loss::Refused(_))] => break now,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(lost_at, at(1.0).plus(valid(TTL)));
}

#[test]
fn a_renewal_that_finds_the_hold_gone_reports_the_loss_and_the_release_sends_nothing() {
    let mut machine = holding();
    machine.tick(at(12.5));
    let (id, _) = sent(&mut machine);
    machine.reply(at(12.6), id, Ok(Reply::Renewed(vec![RenewalReply::Gone])));
    let nonce = Nonce::from_bits(1);
    assert_eq!(drain(&mut machine), [Output::Lost(nonce, Loss::Gone)]);
    machine.end(at(12.7), nonce);
    assert_eq!(drain(&mut machine), [Output::Ended(nonce, Some(false))]);
    assert!(machine.is_idle());
}

#[test]
fn without_renewal_a_hold_ends_after_its_ttl_and_max_hold_ends_a_renewed_one() {
    let mut machine = connected();
    machine.request(at(1.0), Request { renew: false, ..request(1) });
    let (id, _) = sent(&mut machine);
    machine.reply(at(1.0), id, granted(10));
    drain(&mut machine);
    taken_up(&mut machine, 1);
    assert_eq!(machine.next_tick(), Some(at(1.0).plus(valid(TTL))));

    let mut machine = connected();
    let max_hold = Some(Duration::from_secs(2));
    machine.request(at(1.0), Request { max_hold, ..request(1) });
    let (id, _) = sent(&mut machine);
    machine.reply(at(1.0), id, granted(10));
    drain(&mut machine);
    machine.tick(at(3.0));
    assert_eq!(drain(&mut machine), [Output::Lost(Nonce::from_bits(1), Loss::MaxHold)]);
}

#[test]
fn many_holds_are_renewed_in_few_calls() {
    let mut machine = connected();
    for bits in 1..=250_u128 {
        machine.request(at(1.0), request(bits << 120 | bits));
        let (id, _) = sent(&mut machine);
        machine.reply(at(1.0), id, granted(u64::try_from(bits).expect("small")));
        drain(&mut machine);
        taken_up(&mut machine, bits << 120 | bits);
    }
    let mut calls = 0;
    let mut entries = 0;
    while let Some(now) = machine.next_tick().filter(|&now| now < at(13.0)) {
        machine.tick(now);
        for output in drain(&mut machine) {
            let Output::Send(id, Call::Renew(batch)) = output else { panic!("{output:?}") };
            calls += 1;
            entries += batch.len();
            machine.reply(now, id, Ok(Reply::Renewed(vec![RenewalReply::Renewed; batch.len()])));
        }
        drain(&mut machine);
    }
    assert_eq!(entries, 250, "each hold is renewed once in a third of its ttl");
    assert!(calls <= 10, "{calls} calls for 250 holds");
}

#[test]
fn a_waiter_is_heard_of_in_its_lease_and_asks_when_the_holder_should_be_over() {
    let mut machine = queued();
    let refresh = machine.next_tick().expect("the lease is to be refreshed");
    assert!(refresh < at(1.0).plus(WAITER_LEASE / 2));
    machine.tick(refresh);
    let (id, call) = sent(&mut machine);
    assert!(
        matches!(&call, Call::Renew(entries) if matches!(entries[..], [Renewal::Waiter { .. }]))
    );
    let left = Duration::from_millis(100);
    machine.reply(refresh, id, Ok(Reply::Renewed(vec![RenewalReply::Waiting(Some(left))])));
    let ask = machine.next_tick().expect("the holder ends");
    assert!(ask > refresh.plus(left) && ask < refresh.plus(left * 2));
    machine.tick(ask);
    let (_, call) = sent(&mut machine);
    let Call::Acquire(acquire) = call else { panic!("{call:?}") };
    assert_eq!(acquire.enqueue.expect("it queues").ticket, Some(7), "it keeps its place");
}

#[test]
fn a_long_wait_is_told_after_10_20_and_40_seconds_with_who_holds_the_lock_then() {
    let mut machine = queued();
    let mut told = Vec::new();
    while let Some(now) = machine.next_tick().filter(|&now| now < at(60.0)) {
        machine.tick(now);
        for output in drain(&mut machine) {
            match output {
                Output::Send(id, Call::Renew(_)) => {
                    let waiting = RenewalReply::Waiting(Some(TTL));
                    machine.reply(now, id, Ok(Reply::Renewed(vec![waiting])));
                }
                Output::Send(id, _) => machine.reply(now, id, busy(Some(TTL))),
                other => panic!("{other:?}"),
            }
        }
        for output in drain(&mut machine) {
            let Output::StillWaiting { waited, busy, .. } = output else { panic!("{output:?}") };
            assert!(busy.is_some());
            told.push(waited.as_secs());
        }
    }
    assert_eq!(told, [10, 20, 40]);
}

#[test]
fn whoever_tries_once_hears_at_once_and_a_deadline_ends_a_wait() {
    let mut machine = connected();
    machine.request(at(1.0), Request { queue: false, ..request(1) });
    let (id, call) = sent(&mut machine);
    assert!(matches!(call, Call::Acquire(acquire) if acquire.enqueue.is_none()));
    machine.reply(at(1.1), id, busy(None));
    assert!(matches!(drain(&mut machine)[..], [Output::Failed(_, Failure::Busy(_)), ..]));

    let mut machine = connected();
    machine.request(at(1.0), Request { deadline: Some(at(1.5)), ..request(1) });
    let (id, _) = sent(&mut machine);
    machine.reply(at(1.1), id, busy(Some(TTL)));
    machine.tick(at(1.5));
    let outputs = drain(&mut machine);
    assert!(matches!(
        outputs[..],
        [Output::Failed(_, Failure::Busy(_)), Output::Send(_, Call::Cancel { .. })]
    ));
}

#[test]
fn a_request_that_got_no_reply_is_ambiguous_and_undone() {
    let mut machine = connected();
    machine.request(at(1.0), Request { deadline: Some(at(1.5)), ..request(1) });
    let (acquire, _) = sent(&mut machine);
    machine.tick(at(1.5));
    let outputs = drain(&mut machine);
    let [Output::Failed(_, Failure::NoReply), Output::Send(cancel, Call::Cancel { tombstone, .. })] =
        &outputs[..]
    else {
        panic!("{outputs:?}")
    };
    assert_eq!(*tombstone, Duration::ZERO, "the cancel follows on the same connection");
    // The late grant is not shown to anybody.
    machine.reply(at(1.6), acquire, granted(10));
    assert_eq!(drain(&mut machine), []);
    machine.reply(at(1.6), *cancel, Ok(Reply::Ended(true)));
    assert!(machine.is_idle());
}

#[test]
fn a_request_that_has_waited_behind_others_is_busy_when_no_reply_comes_in_time() {
    let mut machine = connected();
    let deadline = Some(at(1.5));
    machine.request(at(1.0), Request { deadline, behind: true, ..request(1) });
    drain(&mut machine);
    machine.tick(at(1.5));
    let outputs = drain(&mut machine);
    let [Output::Failed(_, Failure::Busy(_)), Output::Send(_, Call::Cancel { .. })] = &outputs[..]
    else {
        panic!("busy, and undone, not {outputs:?}")
    };
}

#[test]
fn after_a_broken_connection_the_same_nonce_asks_again_and_its_end_leaves_a_tombstone() {
    let mut machine = connected();
    machine.request(at(1.0), request(1));
    sent(&mut machine);
    machine.disconnected(at(1.1), "reset".to_owned());
    machine.connected(at(1.2), BOUND);
    let (id, call) = sent(&mut machine);
    assert!(matches!(&call, Call::Acquire(acquire) if acquire.give.nonce == Nonce::from_bits(1)));
    machine.reply(at(1.3), id, granted(10));
    drain(&mut machine);
    machine.end(at(1.4), Nonce::from_bits(1));
    let (_, call) = sent(&mut machine);
    assert!(
        matches!(&call, Call::Cancel { tombstone, .. } if !tombstone.is_zero()),
        "the first acquire may still arrive: {call:?}"
    );
}

#[test]
fn a_reply_of_an_earlier_connection_counts_for_nothing() {
    let mut machine = connected();
    machine.request(at(1.0), request(1));
    let (old, _) = sent(&mut machine);
    machine.disconnected(at(1.1), "reset".to_owned());
    machine.reply(at(1.2), old, granted(10));
    assert_eq!(drain(&mut machine), []);
}

#[test]
fn a_grant_pushed_by_a_connection_that_is_gone_is_asked_about_on_the_next() {
    let mut machine = queued();
    machine.disconnected(at(2.0), "reset".to_owned());
    machine.notice(at(2.9), pushed(11));
    assert_eq!(drain(&mut machine), []);
    machine.connected(at(3.0), BOUND);
    assert!(matches!(sent(&mut machine).1, Call::Acquire(_)));
}

#[test]
fn holds_are_verified_at_once_on_a_new_connection() {
    let mut machine = holding();
    machine.disconnected(at(2.0), "restart".to_owned());
    machine.connected(at(2.1), BOUND);
    assert!(matches!(sent(&mut machine).1, Call::Renew(_)));
}

#[test]
fn an_unreachable_server_fails_requests_after_the_outage_and_hopeless_ones_at_once() {
    let mut machine = Machine::new(at(0.0), Timing::default(), "inbox".to_owned(), TTL);
    machine.request(at(1.0), request(1));
    machine.connect_failed(at(1.1), "connection refused".to_owned(), Outlook::Unreachable);
    assert_eq!(drain(&mut machine), []);
    machine.tick(at(6.0));
    let outputs = drain(&mut machine);
    let [Output::Failed(_, Failure::Unavailable(why)), Output::Ended(..)] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert_eq!(why, "connection refused");

    machine.request(at(7.0), request(2));
    machine.connect_failed(at(7.1), "WRONGPASS".to_owned(), Outlook::Hopeless);
    assert!(matches!(drain(&mut machine)[..], [Output::Failed(_, Failure::Refused(_)), ..]));
}

/// A machine with a window of 16 calls, of which two may be for requests that were asked before.
fn narrow() -> Machine {
    let timing = Timing { window: 16, ..Timing::default() };
    let mut machine = Machine::new(at(0.0), timing, "inbox".to_owned(), TTL);
    machine.connected(at(0.0), BOUND);
    machine
}

/// The calls among these outputs.
fn calls(outputs: Vec<Output>) -> Vec<(CallId, Call)> {
    let call = |output| match output {
        Output::Send(id, call) => Some((id, call)),
        _ => None,
    };
    outputs.into_iter().filter_map(call).collect()
}

#[test]
fn so_many_calls_are_under_way_and_ends_come_before_requests() {
    let mut machine = narrow();
    for bits in 1..=40 {
        machine.request(at(1.0), request(bits));
    }
    let under_way = calls(drain(&mut machine));
    assert_eq!(under_way.len(), 16);
    machine.end(at(1.1), Nonce::from_bits(3));
    machine.end(at(1.1), Nonce::from_bits(30));
    assert!(calls(drain(&mut machine)).is_empty(), "the window is full");
    machine.reply(at(1.2), under_way[0].0, granted(10));
    let next = calls(drain(&mut machine));
    assert!(matches!(next[..], [(_, Call::Cancel { .. })]), "{next:?}");
    machine.reply(at(1.2), under_way[1].0, granted(11));
    let next = calls(drain(&mut machine));
    let [(_, Call::Acquire(acquire))] = &next[..] else { panic!("{next:?}") };
    assert_eq!(acquire.give.nonce, Nonce::from_bits(17));
}

#[test]
fn what_was_known_before_is_asked_again_in_slices_and_new_requests_come_between() {
    let mut machine = narrow();
    let mut fence = 10;
    for bits in 1..=40 {
        machine.request(at(1.0), request(bits));
        for (id, _) in calls(drain(&mut machine)) {
            // The first is held, all others wait.
            let reply = if bits == 1 { granted(fence) } else { busy(Some(TTL)) };
            fence += 1;
            machine.reply(at(1.0), id, reply);
        }
    }
    machine.request(at(1.9), request(45));
    assert_eq!(calls(drain(&mut machine)).len(), 1, "on its way when the connection breaks");
    machine.disconnected(at(2.0), "reset".to_owned());
    machine.connected(at(2.1), BOUND);
    let mut resumed = calls(drain(&mut machine));
    let Some((cut_off, Call::Acquire(acquire))) = resumed.pop() else { panic!("{resumed:?}") };
    assert_eq!(acquire.give.nonce, Nonce::from_bits(45), "it waits for none of those that wait");
    machine.reply(at(2.1), cut_off, busy(Some(TTL)));
    resumed.extend(calls(drain(&mut machine)));
    assert!(matches!(&resumed[0].1, Call::Renew(entries) if entries.len() == 1), "{resumed:?}");
    assert_eq!(resumed.len(), 2, "a renewal, and a slice of those that wait");
    machine.request(at(2.2), request(50));
    let new = calls(drain(&mut machine));
    let [(_, Call::Acquire(acquire))] = &new[..] else { panic!("{new:?}") };
    assert_eq!(acquire.give.nonce, Nonce::from_bits(50));
    machine.reply(at(2.3), resumed[0].0, Ok(Reply::Renewed(vec![RenewalReply::Renewed])));
    machine.reply(at(2.3), new[0].0, busy(Some(TTL)));
    let mut asked = 1;
    let mut under_way = vec![resumed[1].clone()];
    while let Some((id, _)) = under_way.pop() {
        machine.reply(at(2.4), id, busy(Some(TTL)));
        let more = calls(drain(&mut machine));
        asked += more.len();
        under_way.extend(more);
    }
    assert_eq!(asked, 39, "all that wait were asked again");
}

#[test]
fn a_connection_is_dead_when_nothing_comes_and_not_when_much_is_to_come() {
    let mut machine = connected();
    for bits in 1..=4 {
        machine.request(at(1.0), request(bits));
    }
    let under_way = calls(drain(&mut machine));
    for (round, (id, _)) in under_way.iter().take(3).enumerate() {
        let now = at(2.9 + 1.9 * f64::from(u32::try_from(round).unwrap()));
        machine.tick(now);
        assert!(!drain(&mut machine).contains(&Output::Reconnect), "round {round}");
        machine.reply(now, *id, busy(Some(TTL)));
    }
    machine.tick(at(6.7 + 2.0));
    assert!(drain(&mut machine).contains(&Output::Reconnect));
}

#[test]
fn a_short_ttl_shortens_the_time_out_so_that_a_renewal_on_another_connection_is_in_time() {
    let mut machine = connected();
    let ttl = Duration::from_millis(1500);
    machine.request(at(1.0), Request { ttl, ..request(1) });
    let (id, _) = sent(&mut machine);
    machine.reply(at(1.001), id, granted(10));
    drain(&mut machine);
    let renewal = machine.next_tick().unwrap();
    machine.tick(renewal);
    assert!(matches!(sent(&mut machine).1, Call::Renew(_)));
    let silent = machine.next_tick().unwrap();
    assert!(silent <= renewal.plus(ttl / 3), "{silent:?}");
    machine.tick(silent);
    assert!(drain(&mut machine).contains(&Output::Reconnect));
    machine.end(silent, Nonce::from_bits(1));
    machine.connected(silent, BOUND);
    drain(&mut machine);
}

#[test]
fn a_crowd_of_waiters_is_heard_of_less_often_with_leases_to_match() {
    let mut machine = connected();
    let mut entries = 0;
    for number in 1..=20_000_u128 {
        // As names are: bits that differ everywhere.
        let bits = number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        machine.request(at(1.0), request(bits));
        for (id, _) in calls(drain(&mut machine)) {
            machine.reply(at(1.0), id, busy(Some(TTL)));
        }
    }
    let mut under_way = 0;
    while let Some(now) = machine.next_tick().filter(|&now| now < at(10.9)) {
        machine.tick(now);
        for (id, call) in calls(drain(&mut machine)) {
            let Call::Renew(renewals) = call else { continue };
            let leases_match = renewals.iter().all(|renewal| {
                matches!(renewal, Renewal::Waiter { lease, .. } if *lease > Duration::from_secs(15))
            });
            assert!(leases_match, "the refresh comes thrice in the lease");
            entries += renewals.len();
            under_way = under_way.max(renewals.len());
            let replies = renewals.iter().map(|_| RenewalReply::Waiting(Some(TTL))).collect();
            machine.reply(now, id, Ok(Reply::Renewed(replies)));
        }
    }
    let most = 10 * 4_000 * 3 / 2;
    assert!((20_000..most).contains(&entries), "{entries} in 10 s");
}

#[test]
fn a_grant_is_looked_at_when_its_claim_time_is_over() {
    let mut machine = connected();
    machine.request(at(1.0), request(1));
    let (id, _) = sent(&mut machine);
    machine.reply(at(1.001), id, granted(10));
    drain(&mut machine);
    machine.tick(at(2.9));
    assert!(!drain(&mut machine).contains(&Output::Look(Nonce::from_bits(1))), "it may come yet");
    machine.tick(at(3.1));
    assert!(drain(&mut machine).contains(&Output::Look(Nonce::from_bits(1))));
}

#[test]
fn a_hold_is_looked_at_once_after_its_claim_time() {
    let mut machine = holding();
    machine.look_again(Nonce::from_bits(1), Some(at(3.0)));
    machine.tick(at(2.9));
    assert_eq!(drain(&mut machine), []);
    machine.tick(at(3.1));
    assert_eq!(drain(&mut machine), [Output::Look(Nonce::from_bits(1))]);
    machine.look_again(Nonce::from_bits(1), Some(at(3.5)));
    machine.tick(at(3.6));
    assert_eq!(drain(&mut machine), [Output::Look(Nonce::from_bits(1))]);
    machine.tick(at(5.0));
    assert_eq!(drain(&mut machine), []);
}

fn once(bits: u128) -> Request {
    Request { queue: false, ..request(bits) }
}

#[test]
fn whoever_tries_once_waits_for_the_first_attempt_to_connect_and_for_no_other() {
    let mut machine = Machine::new(at(0.0), Timing::default(), "inbox".to_owned(), TTL);
    machine.request(at(1.0), once(1));
    machine.tick(at(1.05));
    assert_eq!(drain(&mut machine), []);
    machine.connect_failed(at(1.1), "connection refused".to_owned(), Outlook::Unreachable);
    let refused = |machine: &mut Machine| {
        let outputs = drain(machine);
        matches!(&outputs[..], [Output::Failed(_, Failure::Unavailable(_)), Output::Ended(..)])
    };
    assert!(refused(&mut machine));
    machine.request(at(1.2), once(2));
    assert!(refused(&mut machine));
    machine.connected(at(2.0), BOUND);
    machine.disconnected(at(3.0), "reset".to_owned());
    machine.request(at(3.1), once(3));
    assert_eq!(drain(&mut machine), [], "the server may be there");
    machine.connected(at(3.2), BOUND);
    assert!(matches!(sent(&mut machine).1, Call::Acquire(_)));
}

#[test]
fn without_an_outage_to_bear_the_first_failed_attempt_ends_a_request() {
    let timing = Timing { outage: Duration::ZERO, ..Timing::default() };
    let mut machine = Machine::new(at(0.0), timing, "inbox".to_owned(), TTL);
    machine.request(at(1.0), request(1));
    machine.tick(at(1.05));
    assert_eq!(drain(&mut machine), []);
    machine.connect_failed(at(1.1), "connection refused".to_owned(), Outlook::Unreachable);
    assert!(matches!(drain(&mut machine)[..], [Output::Failed(_, Failure::Unavailable(_)), ..]));
}

#[test]
fn an_outage_without_end_fails_no_request() {
    let timing = Timing { outage: Duration::MAX, ..Timing::default() };
    let mut machine = Machine::new(at(0.0), timing, "inbox".to_owned(), TTL);
    machine.request(at(1.0), request(1));
    machine.connect_failed(at(1.1), "connection refused".to_owned(), Outlook::Unreachable);
    machine.tick(at(1_000_000.0));
    assert!(matches!(drain(&mut machine)[..], [Output::StillWaiting { .. }]));
}

#[test]
fn who_waits_for_the_end_hears_that_the_server_cannot_be_reached() {
    let mut machine = holding();
    machine.disconnected(at(2.0), "reset".to_owned());
    machine.end(at(3.0), Nonce::from_bits(1));
    machine.tick(at(7.9));
    assert_eq!(drain(&mut machine), []);
    machine.tick(at(8.0));
    assert_eq!(drain(&mut machine), [Output::Unconfirmed(Nonce::from_bits(1))]);
    machine.connected(at(9.0), BOUND);
    assert!(matches!(sent(&mut machine).1, Call::Cancel { .. }), "it is released all the same");
}

#[test]
fn a_lock_that_was_busy_is_busy_at_the_deadline_also_while_the_connection_is_made_again() {
    let mut machine = connected();
    machine.request(at(1.0), Request { deadline: Some(at(1.009)), ..request(1) });
    let (id, _) = sent(&mut machine);
    machine.reply(at(1.001), id, busy(Some(TTL)));
    machine.disconnected(at(1.002), "reset".to_owned());
    machine.tick(at(1.009));
    assert!(matches!(drain(&mut machine)[..], [Output::Failed(_, Failure::Busy(_))]));
}

#[test]
fn a_request_that_comes_after_its_deadline_is_not_asked() {
    let mut machine = connected();
    machine.request(at(1.01), Request { deadline: Some(at(1.001)), ..request(1) });
    machine.tick(at(1.01));
    let outputs = drain(&mut machine);
    assert!(
        matches!(outputs[..], [Output::Failed(_, Failure::Busy(_)), Output::Ended(..)]),
        "{outputs:?}"
    );
}

#[test]
fn grants_that_are_over_when_they_arrive_are_given_back_after_a_few() {
    let mut machine = connected();
    let ttl = Duration::from_millis(100);
    machine.request(at(1.0), Request { ttl, ..request(1) });
    for round in 0..3 {
        let (id, call) = sent(&mut machine);
        assert!(matches!(call, Call::Acquire(_)), "round {round}");
        let now = at(1.15 * f64::from(round + 1));
        machine.reply(now, id, granted(10 + u64::from(round == 0)));
        machine.tick(now);
        if round == 2 {
            let outputs = drain(&mut machine);
            assert!(
                matches!(
                    outputs[..],
                    [
                        Output::Failed(_, Failure::TooLate { .. }),
                        Output::Send(_, Call::Cancel { .. })
                    ]
                ),
                "{outputs:?}"
            );
        }
    }
}

#[test]
fn a_token_that_is_not_above_those_seen_before_is_refused_and_given_back() {
    let mut machine = holding();
    machine.request(at(2.0), request(2));
    let (id, _) = sent(&mut machine);
    machine.reply(at(2.1), id, granted(10));
    assert!(matches!(
        drain(&mut machine)[..],
        [Output::Failed(_, Failure::Refused(_)), Output::Send(_, Call::Cancel { .. })]
    ));
}

#[test]
fn a_server_that_does_not_answer_is_left_and_asked_on_a_new_connection() {
    let mut machine = connected();
    machine.request(at(1.0), request(1));
    sent(&mut machine);
    let stalled = machine.next_tick().expect("the reply is overdue some time");
    assert_eq!(stalled, at(1.0).plus(Timing::default().reply));
    machine.tick(stalled);
    assert_eq!(drain(&mut machine), [Output::Reconnect]);
    machine.connected(stalled, BOUND);
    assert!(matches!(sent(&mut machine).1, Call::Acquire(_)));
}

#[test]
fn a_script_that_the_server_forgot_is_sent_again_without_a_pause() {
    let mut machine = connected();
    machine.request(at(1.0), request(1));
    let (id, _) = sent(&mut machine);
    machine.reply(at(1.1), id, Err(CallError::Unloaded));
    machine.tick(at(1.1));
    assert!(matches!(sent(&mut machine).1, Call::Acquire(_)));
}

#[test]
fn a_longer_ttl_of_a_nested_call_is_written_soon_and_a_shorter_one_never() {
    let mut machine = holding();
    machine.lengthen(at(2.0), Nonce::from_bits(1), TTL / 2);
    machine.tick(at(2.0));
    assert_eq!(drain(&mut machine), []);
    machine.lengthen(at(2.0), Nonce::from_bits(1), TTL * 2);
    machine.tick(at(2.0));
    let (id, _) = sent(&mut machine);
    machine.reply(at(2.0), id, Ok(Reply::Renewed(vec![RenewalReply::Renewed])));
    let longer = at(2.0).plus(valid(TTL * 2));
    assert_eq!(drain(&mut machine), [Output::Extended(Nonce::from_bits(1), longer)]);
}

#[test]
fn a_holder_that_others_wait_for_is_told_by_push_and_by_renewal() {
    let mut machine = holding();
    let nonce = Nonce::from_bits(1);
    machine.notice(at(2.0), Notice::Asked(nonce));
    machine.notice(at(2.0), Notice::Asked(Nonce::from_bits(9)));
    assert_eq!(drain(&mut machine), [Output::WaitedFor(nonce)]);
    machine.tick(at(11.5));
    let (id, _) = sent(&mut machine);
    machine.reply(at(11.5), id, Ok(Reply::Renewed(vec![RenewalReply::RenewedAndWaitedFor])));
    let extended = Output::Extended(nonce, at(11.5).plus(valid(TTL)));
    assert_eq!(drain(&mut machine), [extended, Output::WaitedFor(nonce)]);
}

#[test]
fn whoever_takes_the_place_of_another_keeps_its_ticket() {
    let mut machine = queued();
    machine.replace(at(2.0), Nonce::from_bits(1), request(2));
    let calls: Vec<_> = drain(&mut machine);
    let [Output::Send(_, Call::Acquire(ask)), Output::Send(_, Call::Cancel { give, .. })] =
        &calls[..]
    else {
        panic!("an acquire and a cancel, not {calls:?}")
    };
    assert_eq!((ask.give.nonce, give.nonce), (Nonce::from_bits(2), Nonce::from_bits(1)));
    assert_eq!(ask.enqueue.as_ref().and_then(|place| place.ticket), Some(7));
}

#[test]
fn a_renewal_under_way_when_a_nested_call_wants_longer_lasts_only_as_long_as_it_asked_for() {
    let mut machine = holding();
    machine.tick(at(12.0));
    let (id, _) = sent(&mut machine);
    machine.lengthen(at(12.001), Nonce::from_bits(1), TTL * 2);
    machine.reply(at(12.002), id, Ok(Reply::Renewed(vec![RenewalReply::Renewed])));
    let nonce = Nonce::from_bits(1);
    assert_eq!(drain(&mut machine), [Output::Extended(nonce, at(12.0).plus(valid(TTL)))]);
    machine.tick(at(12.002));
    let (id, call) = sent(&mut machine);
    assert!(matches!(call, Call::Renew(entries)
        if matches!(entries[..], [Renewal::Hold { ttl, .. }] if ttl > TTL * 2)));
    machine.reply(at(12.003), id, Ok(Reply::Renewed(vec![RenewalReply::Renewed])));
    let extended = Output::Extended(nonce, at(12.002).plus(valid(TTL * 2)));
    assert_eq!(drain(&mut machine), [extended]);
}

#[test]
fn max_hold_counts_anew_for_whoever_is_handed_the_hold() {
    let mut machine = connected();
    let max_hold = Some(Duration::from_secs(20));
    machine.request(at(1.0), Request { max_hold, ..request(1) });
    let (id, _) = sent(&mut machine);
    machine.reply(at(1.0), id, granted(10));
    machine.handed_on(at(5.0), Nonce::from_bits(1));
    let Some(Output::Extended(_, end)) = drain(&mut machine).pop() else { panic!("extended") };
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
            .prop_map(|(who, queue, wait)| Event::Request(who, queue, wait)),
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

fn any_reply(what: u8, fence: u64, call: &Call) -> Result<Reply, CallError> {
    match (what, call) {
        (0, _) => Err(CallError::Refused("no".to_owned())),
        (1, _) => Err(CallError::NotNow("LOADING".to_owned())),
        (2, _) => Err(CallError::Garbled("?".to_owned())),
        (3, _) => Err(CallError::Unloaded),
        (4, _) => Err(CallError::Broken),
        (5, Call::Acquire(_)) => Ok(Reply::Acquire(AcquireReply::Cancelled)),
        (6..=8, Call::Acquire(_)) => busy(Some(Duration::from_millis(300))),
        (_, Call::Acquire(_)) => granted(fence),
        (5..=7, Call::AcquireAll(_)) => Ok(Reply::AcquiredAll(None)),
        (_, Call::AcquireAll(asks)) => {
            let size = u32::try_from(asks.len()).expect("few");
            Ok(Reply::AcquiredAll(Some(FenceBlock::new(Fence::new(fence), size))))
        }
        (even, Call::Renew(batch)) if even % 2 == 0 => {
            Ok(Reply::Renewed(batch.iter().map(|_| RenewalReply::Ask).collect()))
        }
        (_, Call::Renew(batch)) => {
            let answer = |entry: &Renewal| match entry {
                Renewal::Hold { .. } => RenewalReply::Renewed,
                Renewal::Waiter { .. } => RenewalReply::Waiting(None),
            };
            Ok(Reply::Renewed(batch.iter().map(answer).collect()))
        }
        (what, Call::Probe(probe)) => Ok(Reply::Probed(any_cycle(what, fence, probe))),
        (even, _) => Ok(Reply::Ended(even % 2 == 0)),
    }
}

/// A cycle with one other request, whose registration may be as old as can be.
fn any_cycle(what: u8, at_us: u64, probe: &Probe) -> Probed {
    let member = |id, refreshed_us| Member {
        id,
        refreshed_us,
        key: probe.key.clone(),
        who: probe.who.clone(),
    };
    let other = member(Nonce::from_bits(900), if what < 10 { at_us } else { 0 });
    let cycle = if what < 5 { Vec::new() } else { vec![member(probe.id, at_us), other] };
    Probed { at_us, cycle }
}

proptest! {
    /// Whatever the server says and whenever: time always goes on, a hold needs a grant to this very nonce, and
    /// who asked hears exactly once.
    #[test]
    fn no_sequence_of_events_stops_the_clock_or_makes_a_hold_of_nothing(events in events()) {
        let mut machine = Machine::new(at(0.0), Timing::default(), "inbox".to_owned(), TTL);
        let (mut now, mut up) = (at(0.0), false);
        let (mut calls, mut open, mut granted_to) = (Vec::new(), Vec::new(), Vec::new());
        let (mut serial, mut fence) = (0_u128, 0_u64);
        let (mut watched, mut groups) = (std::collections::BTreeSet::new(), Vec::new());
        let mut names: Vec<u128> = vec![0; 4];
        for event in events {
            match event {
                Event::Request(who, queue, wait) => {
                    serial += 1;
                    names[usize::from(who)] = serial;
                    let deadline = wait.map(|ms| now.plus(Duration::from_millis(ms.into())));
                    machine.request(now, Request { deadline, queue, ..request(serial) });
                    open.push(Nonce::from_bits(serial));
                }
                Event::RequestAll(wait) => {
                    let deadline = wait.map(|ms| now.plus(Duration::from_millis(ms.into())));
                    let group: Vec<_> = (1..=3).map(|more| serial + more).collect();
                    serial += 3;
                    names[..3].copy_from_slice(&group);
                    open.extend(group.iter().copied().map(Nonce::from_bits));
                    groups.push(group.iter().copied().map(Nonce::from_bits).collect());
                    let requests = group.into_iter().map(request);
                    let requests = requests.map(|request| Request { deadline, ..request });
                    machine.request_all(now, requests.collect());
                }
                Event::End(who) => {
                    let nonce = Nonce::from_bits(names[usize::from(who)]);
                    machine.end(now, nonce);
                    open.retain(|&other| other != nonce);
                }
                Event::Answer(which, what) if !calls.is_empty() => {
                    let (id, call): (CallId, Call) = calls.remove(usize::from(which) % calls.len());
                    fence += 1;
                    let reply = any_reply(what, fence, &call);
                    match (&reply, &call) {
                        (Ok(Reply::Acquire(AcquireReply::Granted(_))), Call::Acquire(ask)) => {
                            granted_to.push(ask.give.nonce);
                        }
                        (Ok(Reply::AcquiredAll(Some(_))), Call::AcquireAll(asks)) => {
                            granted_to.extend(asks.iter().map(|ask| ask.give.nonce));
                            fence += 2;
                        }
                        _ => {}
                    }
                    machine.reply(now, id, reply);
                }
                Event::Push(who) => {
                    let nonce = Nonce::from_bits(names[usize::from(who)]);
                    granted_to.push(nonce);
                    fence += 1;
                    machine.notice(now, Notice::Granted(nonce, fences(fence)));
                }
                Event::Watch(who) => {
                    watched.insert(who);
                    machine.watch(now, Nonce::from_bits(500 + u128::from(who)));
                }
                Event::Unwatch(who) => {
                    watched.remove(&who);
                    machine.unwatch(Nonce::from_bits(500 + u128::from(who)));
                }
                Event::Disconnect if up => {
                    up = false;
                    calls.clear();
                    machine.disconnected(now, "reset".to_owned());
                }
                Event::Connect if !up => {
                    up = true;
                    machine.connected(now, BOUND);
                }
                Event::Later(ms) => now = now.plus(Duration::from_millis(ms.into())),
                Event::Answer(..) | Event::Disconnect | Event::Connect => {}
            }
            machine.tick(now);
            prop_assert!(machine.next_tick().is_none_or(|due| due > now), "{machine:?} at {now:?}");
            while let Some(signal) = machine.poll_signal() {
                match signal {
                    Signal::Probe(id) => {
                        prop_assert!(up, "probed without a connection");
                        let who = request(serial).who;
                        machine.probe(now, Probe {
                            id,
                            chain: vec![Nonce::from_bits(901)],
                            target: Target::Key,
                            key: "key".to_owned(),
                            waited: Duration::ZERO,
                            who,
                        });
                    }
                    Signal::NotAtOnce(first) => {
                        let group = groups.iter().find(|group: &&Vec<Nonce>| group[0] == first);
                        let group = group.expect("a group that was asked for");
                        prop_assert!(group.iter().any(|nonce| open.contains(nonce)), "told twice");
                        open.retain(|nonce| !group.contains(nonce));
                    }
                    Signal::Deadlock(id, cycle) => {
                        let who = (0..4).find(|&who| Nonce::from_bits(500 + u128::from(who)) == id);
                        prop_assert!(who.is_some_and(|who| watched.remove(&who)), "told twice");
                        prop_assert!(cycle.iter().all(|member| member.refreshed_us > 1));
                    }
                }
            }
            while let Some(output) = machine.poll_output() {
                match output {
                    Output::Send(id, call) => {
                        prop_assert!(up, "sent without a connection");
                        calls.push((id, call));
                    }
                    Output::Granted { nonce, valid_until, .. } => {
                        prop_assert!(granted_to.contains(&nonce));
                        prop_assert!(valid_until > now);
                        prop_assert!(open.contains(&nonce), "told twice, or after its end");
                        open.retain(|&other| other != nonce);
                    }
                    Output::Failed(nonce, _) => {
                        prop_assert!(open.contains(&nonce), "told twice, or after its end");
                        open.retain(|&other| other != nonce);
                    }
                    Output::Reconnect => {
                        up = false;
                        calls.clear();
                    }
                    _ => {}
                }
            }
        }
    }
}
