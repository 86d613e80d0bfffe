//! Holds that count only once replicas have them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use proptest::prelude::*;

use crate::protocol::Protocol;
use crate::protocol::request::{CommandError, CommandId, Failure, Loss, Output, RequestParams};
use crate::protocol::tests::{
    BOUND, TTL, at, busy, drain, fences, granted, granted_by_push, request, taken_up, valid,
};
use crate::protocol::timing::Timing;
use crate::types::replicas::{Confirm, Replicas};
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::command::{Command, Renewal};
use crate::wire::reply::{RenewalReply, Reply};

const ID: RequestId = RequestId::from_bits(1);
const SECOND: Duration = Duration::from_secs(1);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A machine whose server has two replicas.
fn connected() -> Protocol {
    let protocol = Protocol::new(at(0.0), Timing::default(), "inbox".to_owned(), TTL);
    let mut protocol = protocol.confirming(at(0.0));
    protocol.set_online_replicas(at(0.0), 2);
    protocol.connected(at(0.0), BOUND);
    protocol
}

fn by(bits: u128, replicas: impl Into<Replicas>) -> RequestParams {
    RequestParams { confirm: Confirm::new(replicas.into(), SECOND), ..request(bits) }
}

/// What is sent now, the WAIT included.
fn sends(protocol: &mut Protocol, now: Timestamp) -> Vec<(CommandId, Command)> {
    let mut outputs = drain(protocol);
    if protocol.confirm_sent(now) {
        outputs.extend(drain(protocol));
    }
    let command = |output| match output {
        Output::Send(id, command) => Some((id, command)),
        _ => None,
    };
    outputs.into_iter().filter_map(command).collect()
}

/// The only command, and the WAIT behind it.
#[track_caller]
fn sent_with_wait(
    protocol: &mut Protocol,
    now: Timestamp,
) -> (CommandId, CommandId, u32, Duration) {
    match &sends(protocol, now)[..] {
        [(id, _), (wait, Command::Wait { replicas, limit })] => (*id, *wait, *replicas, *limit),
        other => panic!("{other:?}"),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "goes in as a reply, which may be an error")]
fn acknowledged(count: u32) -> Result<Reply, CommandError> {
    Ok(Reply::Acknowledged(count))
}

fn failure(protocol: &mut Protocol) -> String {
    match &drain(protocol)[..] {
        [
            Output::Failed(ID, Failure::Unavailable(why)),
            Output::Send(_, Command::Cancel { .. }),
        ] => why.clone(),
        other => panic!("{other:?}"),
    }
}

/// How many of these are grants.
fn grants(outputs: &[Output]) -> usize {
    outputs.iter().filter(|output| matches!(output, Output::Granted { .. })).count()
}

#[test]
fn a_grant_counts_once_its_replicas_have_it_and_from_the_send_of_its_acquire() {
    let mut protocol = connected();
    protocol.acquire(at(1.0), by(1, 2));
    let (id, wait, replicas, limit) = sent_with_wait(&mut protocol, at(1.0));
    assert_eq!((replicas, limit), (2, SECOND));
    protocol.reply(at(1.1), id, granted(10));
    assert_eq!(drain(&mut protocol), []);
    protocol.reply(at(1.5), wait, acknowledged(2));
    let outputs = drain(&mut protocol);
    let [Output::Granted { id: ID, valid_until, .. }] = outputs[..] else { panic!("{outputs:?}") };
    assert_eq!(valid_until, at(1.0).plus(valid(TTL)));
    assert!(sends(&mut protocol, at(1.5)).is_empty());
}

#[test]
fn what_is_sent_while_replicas_are_asked_is_confirmed_by_the_next_answer() {
    let mut protocol = connected();
    protocol.acquire(at(1.0), by(1, 1));
    let (first, wait, ..) = sent_with_wait(&mut protocol, at(1.0));
    protocol.acquire(at(1.01), by(2, 2));
    protocol.acquire(at(1.02), by(3, 1));
    let later: Vec<_> = sends(&mut protocol, at(1.02)).into_iter().map(|(id, _)| id).collect();
    assert_eq!(later.len(), 2, "and no WAIT");
    for id in [first, later[0], later[1]] {
        protocol.reply(at(1.1), id, granted(u64::from(u32::try_from(id).unwrap()) + 10));
    }
    assert_eq!(drain(&mut protocol), []);
    protocol.reply(at(1.2), wait, acknowledged(2));
    let outputs = drain(&mut protocol);
    assert!(matches!(outputs[..], [Output::Granted { id: ID, .. }]), "{outputs:?}");
    let next = sends(&mut protocol, at(1.2));
    let [(wait, Command::Wait { replicas: 2, .. })] = next[..] else { panic!("{next:?}") };
    // Each counts by what it asked for itself.
    protocol.reply(at(1.3), wait, acknowledged(1));
    let outputs = drain(&mut protocol);
    let third = RequestId::from_bits(3);
    assert!(matches!(outputs[..], [Output::Granted { id, .. }] if id == third), "{outputs:?}");
}

#[test]
fn all_that_is_sent_before_a_flush_is_confirmed_by_one_answer() {
    let mut protocol = connected();
    for bits in 1..=3 {
        protocol.acquire(at(1.0), by(bits, 1));
        assert!(protocol.has_unconfirmed());
    }
    let sent = sends(&mut protocol, at(1.0));
    let [(first, _), (second, _), (third, _), (wait, Command::Wait { .. })] = sent[..] else {
        panic!("{sent:?}")
    };
    for (id, token) in [(first, 10), (second, 11), (third, 12)] {
        protocol.reply(at(1.1), id, granted(token));
    }
    assert!(!protocol.has_unconfirmed(), "a WAIT is under way");
    protocol.reply(at(1.2), wait, acknowledged(1));
    assert_eq!(grants(&drain(&mut protocol)), 3);
    assert!(!protocol.has_unconfirmed());
}

#[test]
fn an_unconfirmed_grant_is_asked_for_again_until_its_time_is_over() {
    let mut protocol = connected();
    protocol.acquire(at(1.0), by(1, 2));
    let (id, wait, ..) = sent_with_wait(&mut protocol, at(1.0));
    protocol.reply(at(1.1), id, granted(10));
    protocol.reply(at(1.6), wait, acknowledged(1));
    protocol.tick(at(1.6));
    let (id, wait, _, limit) = sent_with_wait(&mut protocol, at(1.6));
    assert_eq!(limit, ms(50), "after a miss");
    protocol.reply(at(1.61), id, granted(10));
    protocol.reply(at(1.7), wait, acknowledged(1));
    protocol.tick(at(1.7));
    let (id, wait, ..) = sent_with_wait(&mut protocol, at(1.7));
    protocol.reply(at(1.71), id, granted(10));
    protocol.reply(at(2.0), wait, acknowledged(1));
    let why = failure(&mut protocol);
    assert!(why.starts_with("1 of 2 replicas confirmed within 1s; "), "{why}");
}

#[test]
fn the_next_wait_after_one_that_was_met_is_long_again() {
    let mut protocol = connected();
    for (acks, expected) in [(0, SECOND), (2, ms(50)), (2, SECOND)] {
        protocol.acquire(at(1.0), by(u128::from(acks) + 7, 1));
        let (_, wait, _, limit) = sent_with_wait(&mut protocol, at(1.0));
        assert_eq!(limit, expected);
        protocol.reply(at(1.1), wait, acknowledged(acks));
    }
}

#[test]
fn a_caller_that_gives_up_meanwhile_hears_of_its_replicas() {
    let mut protocol = connected();
    let deadline = Some(at(1.8));
    protocol.acquire(at(1.0), RequestParams { deadline, ..by(1, 2) });
    let (id, wait, _, limit) = sent_with_wait(&mut protocol, at(1.0));
    assert_eq!(limit, ms(700));
    protocol.reply(at(1.1), id, granted(10));
    protocol.tick(at(1.8));
    let why = failure(&mut protocol);
    assert!(why.starts_with("fewer than 2 replicas confirmed within 800ms; "), "{why}");
    protocol.reply(at(1.9), wait, acknowledged(2));
    assert_eq!(drain(&mut protocol), []);
}

#[test]
fn a_pushed_grant_is_confirmed_before_it_is_shown() {
    let mut protocol = connected();
    protocol.acquire(at(1.0), by(1, 1));
    let (id, wait, ..) = sent_with_wait(&mut protocol, at(1.0));
    protocol.reply(at(1.001), id, busy(Some(TTL)));
    protocol.reply(at(1.002), wait, acknowledged(1));
    protocol.notification(at(1.1), granted_by_push(10));
    let (id, wait, ..) = sent_with_wait(&mut protocol, at(1.1));
    protocol.reply(at(1.2), id, granted(10));
    assert_eq!(drain(&mut protocol), []);
    protocol.reply(at(1.3), wait, acknowledged(1));
    let outputs = drain(&mut protocol);
    assert!(matches!(outputs[..], [Output::Granted { id: ID, .. }]), "{outputs:?}");
}

/// A machine that holds request id 1 since `at(1.0)`, confirmed by two replicas.
fn holding() -> Protocol {
    let mut protocol = connected();
    protocol.acquire(at(1.0), by(1, 2));
    let (id, wait, ..) = sent_with_wait(&mut protocol, at(1.0));
    protocol.reply(at(1.0), id, granted(10));
    protocol.reply(at(1.0), wait, acknowledged(2));
    drain(&mut protocol);
    taken_up(&mut protocol, 1);
    protocol
}

#[test]
fn a_renewal_moves_the_end_only_once_it_is_confirmed() {
    let mut protocol = holding();
    protocol.tick(at(12.0));
    let (id, wait, ..) = sent_with_wait(&mut protocol, at(12.0));
    protocol.reply(at(12.1), id, Ok(Reply::Renewed(vec![RenewalReply::Renewed])));
    assert_eq!(drain(&mut protocol), []);
    protocol.reply(at(12.2), wait, acknowledged(1));
    let outputs = drain(&mut protocol);
    assert!(matches!(outputs[..], [Output::RenewalsRefused(..)]), "{outputs:?}");
    protocol.tick(at(12.3));
    let (id, wait, ..) = sent_with_wait(&mut protocol, at(12.3));
    protocol.reply(at(12.4), id, Ok(Reply::Renewed(vec![RenewalReply::Renewed])));
    protocol.reply(at(12.4), wait, acknowledged(2));
    let end = at(12.3).plus(valid(TTL));
    assert_eq!(drain(&mut protocol), [Output::Extended(ID, end)]);
}

#[test]
fn a_hold_whose_renewals_are_not_confirmed_is_lost_at_its_end() {
    let mut protocol = holding();
    protocol.tick(at(12.0));
    let (id, wait, ..) = sent_with_wait(&mut protocol, at(12.0));
    protocol.reply(at(12.1), id, Ok(Reply::Renewed(vec![RenewalReply::Renewed])));
    protocol.reply(at(12.2), wait, acknowledged(0));
    drain(&mut protocol);
    protocol.tick(at(1.0).plus(valid(TTL)));
    let outputs = drain(&mut protocol);
    let [Output::Lost(ID, Loss::Refused(why))] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!(&**why, "0 of 2 replicas confirmed the renewal");
}

#[test]
fn nobody_waits_for_replicas_after_a_release() {
    let mut protocol = holding();
    protocol.release(at(2.0), ID);
    let sent = sends(&mut protocol, at(2.0));
    assert!(matches!(sent[..], [(_, Command::Release { .. })]), "{sent:?}");
}

#[test]
fn all_replicas_are_those_that_are_online_and_at_least_one() {
    for (online, required) in [(0, 1), (1, 1), (3, 3)] {
        let mut protocol = connected();
        protocol.set_online_replicas(at(1.0), online);
        protocol.acquire(at(1.0), by(1, Replicas::All));
        let (.., replicas, _) = sent_with_wait(&mut protocol, at(1.0));
        assert_eq!(replicas, required);
    }
}

#[test]
fn replicas_are_counted_again_after_ten_seconds_and_the_latest_number_counts() {
    let mut protocol = connected();
    protocol.acquire(at(10.0), by(1, Replicas::All));
    let sent = sends(&mut protocol, at(10.0));
    let [(id, _), (count, Command::CountReplicas), (wait, Command::Wait { replicas: 2, .. })] =
        sent[..]
    else {
        panic!("{sent:?}")
    };
    protocol.reply(at(10.1), id, granted(10));
    protocol.reply(at(10.1), count, Ok(Reply::OnlineReplicas(3)));
    protocol.reply(at(10.2), wait, acknowledged(2));
    assert_eq!(drain(&mut protocol), [], "one of three is missing");
    protocol.tick(at(10.3));
    let (id, wait, replicas, _) = sent_with_wait(&mut protocol, at(10.3));
    assert_eq!(replicas, 3);
    protocol.reply(at(10.4), id, granted(10));
    protocol.reply(at(10.4), wait, acknowledged(3));
    let outputs = drain(&mut protocol);
    assert!(matches!(outputs[..], [Output::Granted { .. }]), "{outputs:?}");
}

#[test]
fn a_wait_is_no_longer_than_a_third_of_the_shortest_ttl() {
    let mut protocol = connected();
    protocol.acquire(at(1.0), RequestParams { ttl: ms(900), ..by(1, 1) });
    assert_eq!(sent_with_wait(&mut protocol, at(1.0)).3, ms(300));
}

#[test]
fn a_connection_that_cannot_say_what_is_confirmed_is_dropped_and_all_is_asked_again() {
    for error in [
        CommandError::NotPrimary("UNBLOCKED force unblock from blocking operation".to_owned()),
        CommandError::Refused("ERR WAIT cannot be used with replica instances".to_owned()),
    ] {
        let mut protocol = connected();
        protocol.acquire(at(1.0), by(1, 1));
        let (id, wait, ..) = sent_with_wait(&mut protocol, at(1.0));
        protocol.reply(at(1.1), id, granted(10));
        protocol.reply(at(1.2), wait, Err(error));
        assert_eq!(drain(&mut protocol), [Output::Reconnect]);
        protocol.connected(at(1.3), BOUND);
        let (id, wait, ..) = sent_with_wait(&mut protocol, at(1.3));
        protocol.reply(at(1.4), id, granted(10));
        protocol.reply(at(1.4), wait, acknowledged(1));
        let outputs = drain(&mut protocol);
        assert!(matches!(outputs[..], [Output::Granted { .. }]), "{outputs:?}");
    }
}

#[test]
fn replicas_that_take_their_time_are_no_silent_server() {
    let mut protocol = connected();
    protocol.acquire(at(1.0), by(1, 1));
    let (id, ..) = sent_with_wait(&mut protocol, at(1.0));
    protocol.reply(at(1.1), id, granted(10));
    protocol.tick(at(4.0));
    assert_eq!(drain(&mut protocol), []);
    protocol.tick(at(4.2));
    assert!(drain(&mut protocol).contains(&Output::Reconnect));
}

/// A machine for which the server has granted two keys together, not yet confirmed, and the WAIT
/// for that.
fn granted_together() -> (Protocol, CommandId) {
    let mut protocol = connected();
    let deadline = Some(at(3.0));
    let key = |bits| RequestParams { queue: false, deadline, ..by(bits, 2) };
    protocol.acquire_all(at(1.0), vec![key(1), key(2)]);
    let (id, wait, ..) = sent_with_wait(&mut protocol, at(1.0));
    let both = crate::types::fence::FenceRange::new(fences(10).first, 2);
    protocol.reply(at(1.1), id, Ok(Reply::AcquiredAll(Some(both))));
    assert_eq!(drain(&mut protocol), []);
    (protocol, wait)
}

#[test]
fn several_keys_are_had_once_all_of_them_are_confirmed() {
    let (mut protocol, wait) = granted_together();
    protocol.reply(at(1.2), wait, acknowledged(2));
    assert_eq!(grants(&drain(&mut protocol)), 2);
}

#[test]
fn several_keys_are_asked_for_again_until_the_time_of_their_first_grant_is_over() {
    for (acks, now) in [(2, at(1.9)), (1, at(2.0))] {
        let (mut protocol, wait) = granted_together();
        protocol.reply(at(1.2), wait, acknowledged(1));
        protocol.tick(at(1.25));
        let sent = sends(&mut protocol, at(1.25));
        let [(first, _), (second, _), (wait, Command::Wait { .. })] = sent[..] else {
            panic!("{sent:?}")
        };
        protocol.reply(at(1.3), first, granted(10));
        protocol.reply(at(1.3), second, granted(11));
        assert_eq!(drain(&mut protocol), []);
        protocol.reply(now, wait, acknowledged(acks));
        let outputs = drain(&mut protocol);
        let is_failure = |output: &&Output| {
            matches!(output, Output::Failed(_, Failure::Unavailable(why))
                if why.starts_with("1 of 2 replicas confirmed within 1s"))
        };
        let failures = outputs.iter().filter(is_failure).count();
        let expected = if acks == 2 { (2, 0) } else { (0, 2) };
        assert_eq!((grants(&outputs), failures), expected, "{outputs:?}");
    }
}

#[test]
fn several_keys_whose_caller_gives_up_hear_of_their_replicas() {
    let (mut protocol, wait) = granted_together();
    protocol.tick(at(3.0));
    let outputs = drain(&mut protocol);
    let is_failure = |output: &&Output| {
        matches!(output, Output::Failed(_, Failure::Unavailable(why))
            if why.starts_with("fewer than 2 replicas confirmed within 1s"))
    };
    assert_eq!(outputs.iter().filter(is_failure).count(), 2, "{outputs:?}");
    let cancels = outputs.iter().filter(|it| matches!(it, Output::Send(_, Command::Cancel { .. })));
    assert_eq!(cancels.count(), 2);
    protocol.reply(at(3.1), wait, acknowledged(2));
    assert_eq!(drain(&mut protocol), []);
}

#[test]
fn an_unconfirmed_grant_is_undone_although_it_cannot_be_asked_for_again() {
    let mut protocol = connected();
    protocol.acquire(at(1.0), by(1, 2));
    let (id, wait, ..) = sent_with_wait(&mut protocol, at(1.0));
    protocol.reply(at(1.1), id, granted(10));
    protocol.reply(at(1.2), wait, acknowledged(1));
    protocol.tick(at(1.25));
    let (id, ..) = sent_with_wait(&mut protocol, at(1.25));
    protocol.reply(at(1.3), id, Err(CommandError::TryAgain("busy".to_owned())));
    protocol.release(at(1.31), ID);
    let outputs = drain(&mut protocol);
    assert!(matches!(outputs[..], [Output::Send(_, Command::Cancel { .. })]), "{outputs:?}");
}

#[derive(Clone, Debug)]
enum Event {
    Request(u8),
    End(u8),
    Push(u8),
    /// The oldest command is answered; a WAIT with so many replicas.
    Answer(u32),
    Later(u16),
    Reconnect,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0..4_u8).prop_map(Event::Request),
        1 => (0..4_u8).prop_map(Event::End),
        1 => (0..4_u8).prop_map(Event::Push),
        9 => (0..4_u32).prop_map(Event::Answer),
        3 => prop_oneof![0..80_u16, 0..20_000_u16].prop_map(Event::Later),
        1 => Just(Event::Reconnect),
    ]
}

/// Which replicas the request of an owner asks for.
fn replicas(owner: u8) -> Replicas {
    if owner == 3 { Replicas::All } else { Replicas::from(owner + 1) }
}

/// One token for each request, however often it asks.
fn token(id: RequestId) -> u64 {
    let hex = id.hex();
    let hex = std::str::from_utf8(&hex[16..]).expect("digits");
    u64::from_str_radix(hex, 16).expect("digits")
}

/// What was done for a request by a command that was sent then, and is not confirmed.
struct Done {
    command: CommandId,
    id: RequestId,
    until: Timestamp,
}

#[derive(Default)]
struct Model {
    open: VecDeque<(CommandId, Timestamp, Command)>,
    done: Vec<Done>,
    owners: BTreeMap<RequestId, u8>,
    confirmed_until: BTreeMap<RequestId, Timestamp>,
    online: u32,
}

impl Model {
    fn did(&mut self, command: CommandId, id: RequestId, sent: Timestamp) {
        self.done.push(Done { command, id, until: sent.plus(valid(TTL)) });
    }

    fn acknowledged(&mut self, wait: CommandId, count: u32) {
        let (covered, rest) =
            std::mem::take(&mut self.done).into_iter().partition(|done| done.command < wait);
        self.done = rest;
        let covered: Vec<Done> = covered;
        for Done { id, until, .. } in covered {
            let required = match replicas(self.owners[&id]) {
                Replicas::Count(count) => count.get().into(),
                Replicas::All => self.online.max(1),
                Replicas::None => 0,
            };
            if count >= required {
                let known = self.confirmed_until.entry(id).or_insert(until);
                *known = until.max(*known);
            }
        }
    }

    fn reply(
        &mut self,
        (command, sent, call): (CommandId, Timestamp, Command),
        count: u32,
    ) -> Reply {
        match call {
            Command::Acquire(acquire) => {
                self.did(command, acquire.request.id, sent);
                granted(token(acquire.request.id)).expect("a grant")
            }
            Command::Renew(entries) => Reply::Renewed(
                entries
                    .iter()
                    .map(|entry| match entry {
                        Renewal::Hold { id, .. } => {
                            self.did(command, *id, sent);
                            RenewalReply::Renewed
                        }
                        Renewal::Waiter { .. } => RenewalReply::Waiting(None),
                    })
                    .collect(),
            ),
            Command::Wait { .. } => {
                self.acknowledged(command, count);
                Reply::Acknowledged(count)
            }
            Command::CountReplicas => {
                self.online = count;
                Reply::OnlineReplicas(count)
            }
            _ => Reply::Released(true),
        }
    }
}

proptest! {
    /// For any sequence of events and flushes: nobody has a hold, or has one longer, that as many
    /// replicas as it asked for have not acknowledged; replicas are asked about one thing at a
    /// time; and once everything is answered nothing is held back.
    #[test]
    fn nothing_counts_that_replicas_have_not_acknowledged(
        events in prop::collection::vec((event(), prop::bool::weighted(0.7)), 0..120),
    ) {
        let mut protocol = connected();
        let mut model = Model { online: 2, ..Model::default() };
        let mut now = at(1.0);
        let mut serial = 10_u128;
        // At last everything is answered: each answer may have further commands sent.
        let end = (Event::Answer(3), true);
        for (event, flushes) in events.into_iter().chain(std::iter::repeat_n(end, 400)) {
            let latest = |model: &Model, owner| {
                model.owners.iter().rev().find(|(_, of)| **of == owner).map(|(&id, _)| id)
            };
            match event {
                Event::Request(owner) => {
                    serial += 1;
                    model.owners.insert(RequestId::from_bits(serial), owner);
                    protocol.acquire(now, by(serial, replicas(owner)));
                }
                Event::End(owner) => {
                    if let Some(id) = latest(&model, owner) {
                        protocol.release(now, id);
                    }
                }
                Event::Push(owner) => {
                    if let Some(id) = latest(&model, owner) {
                        let fences = fences(token(id));
                        protocol.notification(
                            now,
                            crate::wire::reply::Notification::Granted(id, fences),
                        );
                    }
                }
                Event::Answer(count) => {
                    if let Some(open) = model.open.pop_front() {
                        let id = open.0;
                        let reply = model.reply(open, count);
                        protocol.reply(now, id, Ok(reply));
                    }
                }
                Event::Later(by) => now = now.plus(ms(by.into())),
                Event::Reconnect => {
                    model.open.clear();
                    model.done.clear();
                    protocol.disconnected(now, "reset".to_owned());
                    protocol.connected(now, BOUND);
                }
            }
            protocol.tick(now);
            prop_assert!(protocol.next_tick().is_none_or(|due| due > now), "{protocol:?}");
            loop {
                while let Some(output) = protocol.poll_output() {
                    match output {
                        Output::Send(id, call) => model.open.push_back((id, now, call)),
                        Output::Granted { id, valid_until: until, .. }
                        | Output::Extended(id, until) => {
                            let confirmed = model.confirmed_until.get(&id);
                            prop_assert!(
                                confirmed.is_some_and(|&end| until <= end),
                                "{:?} until {:?}, confirmed until {:?}", id, until, confirmed
                            );
                        }
                        Output::Reconnect => {
                            model.open.clear();
                            model.done.clear();
                            protocol.connected(now, BOUND);
                        }
                        _ => {}
                    }
                }
                if !flushes || !protocol.confirm_sent(now) {
                    break;
                }
            }
            prop_assert!(!flushes || !protocol.has_unconfirmed());
            let waits = model.open.iter().filter_map(|(.., call)| match call {
                Command::Wait { replicas, limit } => Some((*replicas, *limit)),
                _ => None,
            });
            let waits: Vec<_> = waits.collect();
            prop_assert!(waits.len() <= 1, "{waits:?}");
            for (replicas, limit) in waits {
                prop_assert!(replicas >= 1);
                prop_assert!(limit >= ms(1) && limit <= SECOND, "{limit:?}");
            }
        }
        prop_assert!(model.open.is_empty());
        prop_assert!(!protocol.has_unconfirmed());
        let confirmations = protocol.confirmations.as_ref().expect("it confirms");
        prop_assert!(confirmations.is_settled(), "{confirmations:?}");
    }
}
