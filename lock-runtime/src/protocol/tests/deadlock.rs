//! Waits that may be waits for themselves.

use super::*;
use crate::protocol::Protocol;
use crate::protocol::request::{CommandError, CommandId, Output};
use crate::protocol::timing::Timing;
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::command::{Command, Probe, WaitTarget};
use crate::wire::reply::{BlockedRequest, ProbeReply, Reply};

const ID: RequestId = RequestId::from_bits(5);

fn probe(id: RequestId) -> Probe {
    Probe {
        id,
        chain: vec![RequestId::from_bits(6)],
        target: WaitTarget::Key,
        key: "key".to_owned(),
        waited: Duration::ZERO,
        owner: request(5).owner,
    }
}

fn member(id: u128, refreshed_us: u64) -> BlockedRequest {
    BlockedRequest {
        id: RequestId::from_bits(id),
        refreshed_us,
        key: "key".to_owned(),
        owner: request(id).owner,
    }
}

/// The requests 5, 7 and 8 wait for one another; the others registered at these instants.
fn cycle(at_us: u64, others: [u64; 2]) -> ProbeReply {
    let cycle = vec![member(5, at_us), member(7, others[0]), member(8, others[1])];
    ProbeReply { at_us, cycle }
}

fn nothing(at_us: u64) -> ProbeReply {
    ProbeReply { at_us, cycle: Vec::new() }
}

/// A watched wait and the time that goes by.
struct Watched {
    protocol: Protocol,
    now: Timestamp,
}

impl Watched {
    fn new() -> Self {
        let mut protocol = connected();
        protocol.start_probing(at(1.0), ID);
        Self { protocol, now: at(1.0) }
    }

    /// Lets time pass until the next probe, and sends it; how long that took.
    fn call(&mut self) -> (Duration, CommandId) {
        let due = self.protocol.next_tick().expect("a probe is due");
        let waited = due.since(self.now);
        self.now = due;
        self.protocol.tick(due);
        assert_eq!(drain(&mut self.protocol), [Output::Probe(ID)]);
        self.protocol.send_probe(due, probe(ID));
        let (id, call) = sent(&mut self.protocol);
        assert_eq!(call, Command::Probe(probe(ID)));
        (waited, id)
    }

    fn answer(&mut self, reply: Result<ProbeReply, CommandError>) -> (Duration, Vec<Output>) {
        let (waited, id) = self.call();
        self.protocol.reply(self.now, id, reply.map(Reply::Probed));
        (waited, drain(&mut self.protocol))
    }

    fn finds(&mut self, probe_reply: ProbeReply) -> Vec<Output> {
        self.answer(Ok(probe_reply)).1
    }
}

fn about(span: Duration, millis: u64) -> bool {
    span >= Duration::from_millis(millis * 9 / 10)
        && span <= Duration::from_millis(millis * 11 / 10)
}

#[test]
fn a_wait_is_probed_after_a_while_and_again_and_sooner_when_a_cycle_was_seen() {
    let mut watched = Watched::new();
    let (first, _) = watched.answer(Ok(nothing(10)));
    let (second, _) = watched.answer(Ok(cycle(20, [15, 16])));
    let (third, _) = watched.answer(Ok(nothing(30)));
    let (fourth, _) = watched.answer(Ok(nothing(40)));
    assert!(about(first, 200) && about(second, 300), "{first:?} {second:?}");
    assert!(about(third, 100) && about(fourth, 300), "{third:?} {fourth:?}");
}

#[test]
fn a_cycle_whose_members_all_registered_again_is_a_deadlock_and_is_reported_once() {
    let mut watched = Watched::new();
    assert_eq!(watched.finds(cycle(20, [15, 16])), []);
    let again = cycle(30, [21, 22]);
    assert_eq!(watched.finds(again.clone()), [Output::Deadlock(ID, again.cycle)]);
    assert_eq!(watched.protocol.next_tick(), None);
}

#[test]
fn a_clock_that_was_set_back_makes_no_stale_member_fresh() {
    let mut watched = Watched::new();
    // One registered at 1_000 for the last time, and then the clock went back to 200.
    for at_us in [200, 300, 400, 900, 1_100, 1_200] {
        assert_eq!(watched.finds(cycle(at_us, [at_us - 1, 1_000])), [], "at {at_us}");
    }
    // Nor does it hide one that is real: seen at 1_200, before the clock went back.
    assert_eq!(watched.finds(cycle(500, [499, 498])), []);
    let again = cycle(600, [599, 598]);
    assert_eq!(watched.finds(again.clone()), [Output::Deadlock(ID, again.cycle)]);
}

#[test]
fn a_member_that_is_stale_never_leads_to_a_verdict() {
    let mut watched = Watched::new();
    for step in 1..50 {
        let at_us = step * 100;
        // One registers again and again, the other did at the first sighting for the last time.
        assert_eq!(watched.finds(cycle(at_us, [at_us - 1, 100])), []);
    }
    assert_eq!(watched.finds(nothing(9_000)), []);
}

#[test]
fn members_that_register_one_after_the_other_are_compared_with_the_first_sighting() {
    let mut watched = Watched::new();
    assert_eq!(watched.finds(cycle(20, [15, 16])), []);
    assert_eq!(watched.finds(cycle(30, [21, 16])), []);
    assert_eq!(watched.finds(cycle(40, [21, 35])).len(), 1);
}

#[test]
fn another_cycle_a_pause_or_an_error_starts_over() {
    let other = |at_us| ProbeReply { at_us, cycle: vec![member(5, at_us), member(9, at_us - 1)] };
    let turned = |at_us| {
        let ProbeReply { mut cycle, .. } = cycle(at_us, [at_us - 1, at_us - 1]);
        cycle.swap(1, 2);
        ProbeReply { at_us, cycle }
    };
    for between in
        [Ok(other(25)), Ok(turned(25)), Ok(nothing(25)), Err(CommandError::ConnectionLost)]
    {
        let mut watched = Watched::new();
        assert_eq!(watched.finds(cycle(20, [15, 16])), []);
        assert_eq!(watched.answer(between).1, []);
        assert_eq!(watched.finds(cycle(30, [29, 29])), []);
        assert_eq!(watched.finds(cycle(40, [31, 31])).len(), 1);
    }
}

#[test]
fn whatever_goes_wrong_with_a_probe_it_is_tried_again() {
    let errors = [
        CommandError::Refused("no".to_owned()),
        CommandError::TryAgain("LOADING".to_owned()),
        CommandError::InvalidReply("?".to_owned()),
        CommandError::ScriptMissing,
        CommandError::ConnectionLost,
    ];
    let mut watched = Watched::new();
    watched.answer(Ok(nothing(10)));
    for error in errors {
        watched.answer(Err(error));
        let (waited, _) = watched.answer(Ok(nothing(10)));
        assert!(about(waited, 300), "{waited:?}");
    }
    let (_, id) = watched.call();
    watched.protocol.reply(watched.now, id, Ok(Reply::Released(true)));
    assert!(about(watched.protocol.next_tick().expect("another").since(watched.now), 300));
}

#[test]
fn without_a_connection_nothing_is_probed() {
    let mut watched = Watched::new();
    watched.protocol.disconnected(at(1.0), "reset".to_owned());
    assert_eq!(watched.protocol.next_tick(), None);
    watched.protocol.tick(at(3.0));
    assert_eq!(drain(&mut watched.protocol), []);
    watched.protocol.connected(at(4.0), BOUND);
    watched.protocol.tick(at(4.0));
    assert_eq!(drain(&mut watched.protocol), [Output::Probe(ID)]);
    watched.protocol.disconnected(at(4.0), "reset".to_owned());
    watched.protocol.send_probe(at(4.0), probe(ID));
    assert_eq!(drain(&mut watched.protocol), []);
    watched.protocol.connected(at(4.1), BOUND);
    watched.now = at(4.1);
    watched.call();
}

#[test]
fn a_probe_that_the_connection_took_along_is_sent_on_the_next_one() {
    let mut watched = Watched::new();
    let (_, old) = watched.call();
    let stalled = watched.protocol.next_tick().expect("the reply is overdue some time");
    assert_eq!(stalled, watched.now.plus(Timing::default().reply));
    watched.protocol.tick(stalled);
    assert_eq!(drain(&mut watched.protocol), [Output::Reconnect]);
    watched.protocol.connected(stalled, BOUND);
    watched.now = stalled;
    let (_, new) = watched.call();
    watched.protocol.reply(watched.now, old, Ok(Reply::Probed(cycle(20, [15, 16]))));
    watched.protocol.reply(watched.now, new, Ok(Reply::Probed(cycle(30, [21, 21]))));
    assert_eq!(drain(&mut watched.protocol), []);
}

#[test]
fn a_wait_that_is_over_is_left_alone() {
    let mut watched = Watched::new();
    let (_, id) = watched.call();
    watched.protocol.stop_probing(ID);
    watched.protocol.reply(watched.now, id, Ok(Reply::Probed(cycle(20, [15, 16]))));
    watched.protocol.send_probe(watched.now, probe(ID));
    assert_eq!(drain(&mut watched.protocol), []);
    assert_eq!(watched.protocol.next_tick(), None);

    let mut watched = Watched::new();
    watched.protocol.start_probing(at(1.1), ID);
    watched.call();
    watched.protocol.start_probing(watched.now, ID);
    watched.protocol.release_all(watched.now);
    assert!(watched.protocol.next_tick().is_some(), "the reply to the probe");
}
