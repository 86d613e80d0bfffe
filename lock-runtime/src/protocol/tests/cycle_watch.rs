//! Waits of a cluster that look for a cycle: single ones, and a whole system with a slow network.

mod system;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::{at, request};
use crate::protocol::cycle_watch::CycleWatch;
use crate::protocol::request::{CommandError, CommandId};
use crate::types::owner_info::OwnerInfo;
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::command::{Command, WaitState, WaitTarget};
use crate::wire::reply::{BlockedRequest, BlockedWait, Reply};

/// Spread as random ids are.
const fn id(number: u128) -> RequestId {
    RequestId::from_bits((number * 37 % 256) << 120 | number)
}

fn owner(since_unix_ms: u64) -> OwnerInfo {
    OwnerInfo { since_unix_ms, ..request(5).owner }
}

/// What all servers know together.
#[derive(Default)]
struct Servers {
    holds: HashMap<Arc<str>, RequestId>,
    sections: HashMap<RequestId, BTreeMap<RequestId, BlockedWait>>,
}

impl Servers {
    fn execute(&mut self, now: Timestamp, command: Command) -> Reply {
        match command {
            Command::Register { section, id, wait } => {
                let waits = self.sections.entry(section).or_default();
                waits.remove(&id);
                if let Some(wait) = wait {
                    let request = BlockedRequest {
                        id,
                        refreshed_us: now.as_nanos() / 1_000,
                        key: wait.key.to_string(),
                        owner: wait.owner,
                    };
                    let (count, target) = (wait.count, wait.target);
                    waits.insert(id, BlockedWait { request, count, target });
                }
                Reply::Registered
            }
            Command::LookAtHold(key) => Reply::Holder(self.holds.get(&key).copied()),
            Command::LookAtSection(section) => {
                let waits = self.sections.get(&section);
                let mut waits: Vec<_> =
                    waits.into_iter().flat_map(|all| all.values().cloned()).collect();
                let oldest_us = now.as_nanos() / 1_000 - 2_000_000;
                waits.retain(|wait| wait.request.refreshed_us >= oldest_us);
                Reply::Blocked(waits)
            }
            other => panic!("a watch sends {other:?}"),
        }
    }
}

/// A wait and what it is for.
struct Wait {
    watch: CycleWatch,
    state: WaitState,
    found: Option<Vec<RequestId>>,
}

impl Wait {
    /// Request `number`, which is as old as it is low, waits for `key` inside these sections.
    fn new(now: Timestamp, number: u128, key: &str, inside: &[u128]) -> Self {
        let since = u64::try_from(number).expect("a small number");
        let watch = CycleWatch::new(now, id(number), key.into(), owner(since));
        let chain = inside.iter().copied().map(id).collect();
        Self { watch, state: WaitState { chain, target: WaitTarget::Key }, found: None }
    }

    fn tick(&mut self, now: Timestamp) {
        if self.watch.next_tick().is_some_and(|due| due <= now) {
            let state = self.state.clone();
            self.watch.tick(now, || state);
        }
    }

    fn answer(&mut self, now: Timestamp, number: CommandId, answer: Result<Reply, CommandError>) {
        if let Some(cycle) = self.watch.answer(now, number, answer) {
            assert!(self.found.is_none(), "found twice");
            self.found = Some(cycle.into_iter().map(|request| request.id).collect());
        }
    }

    fn found(&self) -> Vec<u128> {
        let number = |id: &RequestId| u128::from_str_radix(&id.to_string()[2..], 16).unwrap();
        self.found.iter().flatten().map(number).collect()
    }
}

/// Some waits and the servers, whose replies take `round_trip`.
struct Scene {
    servers: Servers,
    waits: Vec<Wait>,
    now: Timestamp,
    round_trip: Duration,
    under_way: Vec<(Timestamp, usize, CommandId, Result<Reply, CommandError>)>,
    /// Answers commands in place of the servers.
    refuses: fn(&Command) -> bool,
}

impl Scene {
    /// Section `100 + n` holds the key `n` for each of these.
    fn new(holds: &[u128]) -> Self {
        let holds = holds.iter().map(|key| (key.to_string().into(), id(100 + key)));
        Self {
            servers: Servers { holds: holds.collect(), ..Servers::default() },
            waits: Vec::new(),
            now: at(1.0),
            round_trip: Duration::from_millis(1),
            under_way: Vec::new(),
            refuses: |_| false,
        }
    }

    fn wait(&mut self, number: u128, key: u128, inside: &[u128]) -> &mut Wait {
        self.waits.push(Wait::new(self.now, number, &key.to_string(), inside));
        self.waits.last_mut().expect("it was pushed")
    }

    fn step(&mut self) {
        self.now = self.now.plus(Duration::from_millis(1));
        for (number, wait) in self.waits.iter_mut().enumerate().filter(|(_, w)| w.found.is_none()) {
            wait.tick(self.now);
            while let Some((call, command)) = wait.watch.poll_command() {
                let answer = if (self.refuses)(&command) {
                    Err(CommandError::ConnectionLost)
                } else {
                    Ok(self.servers.execute(self.now, command))
                };
                self.under_way.push((self.now.plus(self.round_trip), number, call, answer));
            }
        }
        let now = self.now;
        for (_, number, call, answer) in self.under_way.extract_if(.., |(at, ..)| *at <= now) {
            self.waits[number].answer(now, call, answer);
        }
    }

    fn run(&mut self, span: Duration) {
        let until = self.now.plus(span);
        while self.now < until {
            self.step();
        }
    }

    /// Runs until one has found something. How long that took.
    fn until_found(&mut self) -> Duration {
        let begun = self.now;
        while self.waits.iter().all(|wait| wait.found.is_none()) {
            self.step();
            assert!(self.now.since(begun) < Duration::from_secs(5), "nothing was found");
        }
        self.now.since(begun)
    }

    fn found(&self) -> Vec<Vec<u128>> {
        self.waits.iter().map(Wait::found).collect()
    }

    /// Two sections that hold a key each; the requests inside wait for each other's.
    fn two() -> Self {
        let mut scene = Self::new(&[1, 2]);
        scene.wait(11, 2, &[101]);
        scene.wait(12, 1, &[102]);
        scene
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn two_that_wait_for_each_other_are_found_by_the_younger_within_a_second() {
    let mut scene = Scene::two();
    let took = scene.until_found();
    assert!(took < SECOND * 9 / 10, "{took:?}");
    assert_eq!(scene.found(), [vec![], vec![12, 11]]);
    scene.run(SECOND * 3);
    assert_eq!(scene.found(), [vec![], vec![12, 11]], "the older one never finds it");
}

#[test]
fn three_in_a_ring_are_found_in_their_order() {
    let mut scene = Scene::new(&[1, 2, 3]);
    scene.wait(11, 2, &[101]);
    scene.wait(13, 3, &[102]);
    scene.wait(12, 1, &[103]);
    let took = scene.until_found();
    assert!(took < SECOND, "{took:?}");
    scene.run(SECOND * 3);
    assert_eq!(scene.found(), [vec![], vec![13, 12, 11], vec![]]);
}

#[test]
fn a_cycle_that_closes_late_is_found_within_a_second_of_that() {
    let mut scene = Scene::new(&[1, 2]);
    scene.wait(11, 2, &[101]);
    scene.run(SECOND * 5);
    scene.wait(12, 1, &[102]);
    let took = scene.until_found();
    assert!(took < SECOND * 9 / 10, "{took:?}");
}

#[test]
fn a_wait_for_what_its_own_section_holds_is_found() {
    let mut scene = Scene::new(&[1]);
    scene.wait(11, 1, &[100, 101]);
    scene.until_found();
    assert_eq!(scene.found(), [[11]]);
}

#[test]
fn a_wait_for_a_sibling_section_is_followed() {
    let mut scene = Scene::new(&[1, 2]);
    scene.wait(11, 2, &[101]);
    scene.wait(12, 9, &[102]).state.target = WaitTarget::Section(id(77));
    scene.wait(13, 1, &[77, 78]);
    scene.until_found();
    assert_eq!(scene.found(), [vec![], vec![], vec![13, 11, 12]]);
}

#[test]
fn of_two_ways_the_shortest_is_reported() {
    let mut scene = Scene::new(&[1, 2, 3]);
    scene.wait(10, 3, &[102]);
    scene.wait(11, 1, &[103, 102]);
    scene.wait(12, 2, &[101]);
    scene.until_found();
    assert_eq!(scene.found()[2], [12, 11]);
}

#[test]
fn a_wait_outside_of_all_sections_registers_nothing_and_finds_nothing() {
    let mut scene = Scene::new(&[1]);
    scene.wait(11, 1, &[]);
    scene.run(SECOND * 2);
    assert_eq!(scene.found(), [[]]);
    assert!(scene.servers.sections.is_empty());
    // Until it is inside of one.
    scene.waits[0].state.chain = vec![id(101)];
    scene.until_found();
}

#[test]
fn a_member_that_was_seen_and_does_not_wait_any_more_is_no_member() {
    for begun in (150..900).step_by(10) {
        let mut scene = Scene::two();
        scene.run(Duration::from_millis(begun));
        // It does not even take its registration back.
        scene.waits.swap_remove(0);
        scene.under_way.clear();
        if scene.waits[0].found.is_none() {
            // It may have registered for the last time when its end was near.
            scene.run(SECOND * 4);
            let late = Duration::from_millis(begun) > SECOND / 2;
            assert!(late || scene.found() == [[]], "it was last seen after {begun} ms");
        }
    }
}

#[test]
fn a_registration_is_taken_back_at_the_end_and_when_a_section_is_left() {
    let mut scene = Scene::new(&[1]);
    scene.wait(11, 2, &[101, 102]);
    scene.run(SECOND);
    let inside = |scene: &Scene, section| scene.servers.sections[&id(section)].len();
    assert_eq!((inside(&scene, 101), inside(&scene, 102)), (1, 1));
    scene.waits[0].state.chain = vec![id(102)];
    scene.run(SECOND);
    assert_eq!((inside(&scene, 101), inside(&scene, 102)), (0, 1));
    for command in scene.waits.remove(0).watch.end() {
        scene.servers.execute(scene.now, command);
    }
    assert_eq!((inside(&scene, 101), inside(&scene, 102)), (0, 0));
}

#[test]
fn slow_answers_prove_nothing() {
    let mut scene = Scene::two();
    // Three reads one after the other.
    scene.round_trip = Duration::from_millis(31);
    scene.run(SECOND * 5);
    assert_eq!(scene.found(), [[], []]);
    scene.round_trip = Duration::from_millis(29);
    scene.until_found();
}

/// Whether a cycle is suspected whose last read took so long, when nothing else was due meanwhile.
fn is_suspected_after(ms: u64) -> bool {
    let mut scene = Scene::two();
    scene.run(Duration::from_millis(230));
    let (servers, wait) = (&mut scene.servers, &mut scene.waits[1]);
    let begun = wait.watch.next_tick().expect("a look is due");
    wait.tick(begun);
    for ms in [1, 2, ms] {
        let now = begun.plus(Duration::from_millis(ms));
        let (call, command) = wait.watch.poll_command().expect("it reads on");
        wait.answer(now, call, Ok(servers.execute(now, command)));
    }
    wait.tick(begun.plus(Duration::from_millis(ms + 250)));
    let mut commands = std::iter::from_fn(|| wait.watch.poll_command());
    // A walk begins with the key alone.
    commands.any(|(_, command)| matches!(command, Command::LookAtSection(_)))
}

#[test]
fn an_answer_that_comes_too_late_does_not_count() {
    assert!(is_suspected_after(90));
    assert!(!is_suspected_after(91));
}

#[test]
fn a_key_that_another_section_has_by_the_second_sighting_proves_nothing() {
    let mut scene = Scene::two();
    scene.run(Duration::from_millis(300));
    // The section that held it goes on without it.
    scene.servers.holds.insert("2".into(), id(999));
    scene.run(SECOND * 3);
    assert_eq!(scene.found(), [[], []]);
}

#[test]
fn a_server_that_is_down_makes_a_sighting_void_and_a_suspicion_wait() {
    let mut scene = Scene::two();
    scene.refuses = |command| matches!(command, Command::LookAtHold(key) if &**key == "2");
    scene.run(SECOND * 5);
    assert_eq!(scene.found(), [[], []]);
    scene.refuses = |_| false;
    scene.run(Duration::from_millis(250));
    scene.refuses = |command| matches!(command, Command::LookAtSection(_));
    scene.run(SECOND / 2);
    assert_eq!(scene.found(), [[], []]);
    scene.refuses = |_| false;
    assert!(scene.until_found() < SECOND / 2);
}

#[test]
fn a_refused_registration_makes_the_numbers_of_before_worthless() {
    let mut scene = Scene::two();
    let count = |scene: &Scene| scene.servers.sections[&id(101)][&id(11)].count;
    scene.run(Duration::from_millis(230));
    assert_eq!(count(&scene), 1);
    scene.refuses = |command| matches!(command, Command::Register { .. });
    scene.run(Duration::from_millis(300));
    scene.refuses = |_| false;
    scene.run(Duration::from_millis(200));
    assert!(count(&scene) > 1 << 32);
    assert_eq!(scene.found(), [[], []], "the first sighting was before, the second after");
    scene.until_found();
}

#[test]
fn a_walk_ends_after_as_many_requests_as_it_may_visit() {
    // Section 100 waits for 101, that for 102, and so on; or all wait inside of one.
    let mut deep = Scene::new(&(0..40).collect::<Vec<_>>());
    for number in 0..20 {
        deep.wait(number + 1, number + 1, &[100 + number]);
    }
    deep.wait(50, 0, &[120]);
    deep.run(SECOND * 3);
    assert_eq!(deep.waits[20].found(), []);
    let mut wide = Scene::new(&[0, 1, 2]);
    for number in 0..70 {
        wide.wait(number + 1, 2, &[100]);
    }
    wide.wait(80, 0, &[101]);
    // The one that comes last.
    let last = (1..71).max_by_key(|&number| id(number)).expect("there are some");
    wide.waits[usize::try_from(last - 1).unwrap()] = Wait::new(wide.now, last, "1", &[100]);
    wide.run(SECOND * 3);
    assert_eq!(wide.waits[70].found(), []);
    wide.waits.drain(0..6);
    wide.until_found();
}
