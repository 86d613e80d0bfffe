//! Callers that take, wait for and release keys at random, over a network that delays, loses and
//! repeats. The exact graph is known at each instant.

use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::wire::tests::config;

const NODES: usize = 3;
const CALLERS: usize = 5;
const KEYS: usize = 4;

/// Random numbers (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("it is less than the bound")
    }

    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    fn id(&mut self) -> RequestId {
        RequestId::from_bits(u128::from(self.next()) << 64 | u128::from(self.next()))
    }
}

/// Commands of one wait to one node, and their replies, each in order.
#[derive(Default)]
struct Pipe {
    commands: VecDeque<(CommandId, Command)>,
    replies: VecDeque<(CommandId, Reply)>,
}

struct RandomWait {
    id: RequestId,
    key: usize,
    since_unix_ms: u64,
    watch: CycleWatch,
    pipes: [Pipe; NODES],
}

#[derive(Default)]
struct Caller {
    /// The keys and holds, the innermost last. A section that has lost its hold has no key and may
    /// go on.
    holds: Vec<(Option<usize>, RequestId)>,
    waiting: Option<RandomWait>,
}

struct System {
    dice: Dice,
    now: Timestamp,
    servers: Servers,
    callers: [Caller; CALLERS],
    /// Who waits for each key, in order.
    queues: [VecDeque<usize>; KEYS],
    /// Commands of broken connections and of waits that are over, which may still be executed.
    late: Vec<Command>,
    /// The requests of all cycles that ever were.
    existed: BTreeSet<Vec<RequestId>>,
    reported: Vec<Vec<RequestId>>,
    /// In percent for each step: a delivery, what a caller does, a broken connection.
    delivers: usize,
    acts: usize,
    breaks: usize,
}

fn name(key: usize) -> Arc<str> {
    key.to_string().into()
}

/// The node of a key or section.
fn node(command: &Command) -> usize {
    match command {
        Command::LookAtHold(key) => key.parse::<usize>().expect("a number") % NODES,
        Command::Register { section, .. } | Command::LookAtSection(section) => {
            usize::from(section.jitter()) % NODES
        }
        other => panic!("a watch sends {other:?}"),
    }
}

impl System {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let delivers = [15, 40, 70, 100][dice.below(4)];
        let acts = [2, 4, 8, 16][dice.below(4)];
        let breaks = [0, 0, 1, 3][dice.below(4)];
        Self {
            dice,
            now: at(1.0),
            servers: Servers::default(),
            callers: Default::default(),
            queues: Default::default(),
            late: Vec::new(),
            existed: BTreeSet::new(),
            reported: Vec::new(),
            delivers,
            acts,
            breaks,
        }
    }

    // The callers.

    fn holder(&self, key: usize) -> Option<usize> {
        let holds = |caller: &Caller| caller.holds.iter().any(|&(held, _)| held == Some(key));
        self.callers.iter().position(holds)
    }

    fn act(&mut self) {
        let caller = self.dice.below(CALLERS);
        let waits = self.callers[caller].waiting.is_some();
        match self.dice.below(10) {
            0 if waits => self.give_up(caller),
            9 => self.lose(caller),
            1..3 if !waits => self.release(caller),
            3.. if !waits => self.ask(caller),
            _ => {}
        }
        self.note_cycles();
    }

    fn ask(&mut self, caller: usize) {
        let key = self.dice.below(KEYS);
        if self.holder(key) == Some(caller) {
            return;
        }
        let id = self.dice.id();
        if self.holder(key).is_none() {
            return self.grant(caller, key);
        }
        // The clocks of the callers differ.
        let since_unix_ms = self.now.as_nanos() / 1_000_000 + 40 * caller as u64;
        let watch = CycleWatch::new(self.now, id, name(key), owner(since_unix_ms));
        let pipes = Default::default();
        self.callers[caller].waiting = Some(RandomWait { id, key, since_unix_ms, watch, pipes });
        self.queues[key].push_back(caller);
    }

    fn grant(&mut self, caller: usize, key: usize) {
        let hold = self.dice.id();
        self.callers[caller].holds.push((Some(key), hold));
        self.servers.holds.insert(name(key), hold);
    }

    fn release(&mut self, caller: usize) {
        if let Some((Some(key), _)) = self.callers[caller].holds.pop() {
            self.free(key);
        }
    }

    /// A hold expires.
    fn lose(&mut self, caller: usize) {
        let holds = &mut self.callers[caller].holds;
        let number = self.dice.below(holds.len().max(1));
        if let Some(key) = holds.get_mut(number).and_then(|(key, _)| key.take()) {
            self.free(key);
        }
    }

    fn free(&mut self, key: usize) {
        self.servers.holds.remove(&name(key));
        if let Some(next) = self.queues[key].pop_front() {
            self.stop_waiting(next);
            self.grant(next, key);
        }
    }

    fn give_up(&mut self, caller: usize) {
        if let Some(waiting) = &self.callers[caller].waiting {
            self.queues[waiting.key].retain(|&other| other != caller);
            self.stop_waiting(caller);
        }
    }

    fn stop_waiting(&mut self, caller: usize) {
        let Some(mut waiting) = self.callers[caller].waiting.take() else { return };
        let pipes = waiting.pipes.iter_mut();
        let unsent = pipes.flat_map(|pipe| pipe.commands.drain(..)).map(|(_, command)| command);
        self.late.extend(unsent);
        if self.dice.percent(80) {
            self.late.extend(waiting.watch.end());
        }
    }

    // The graph.

    /// The requests of each cycle, as they wait now.
    fn cycles(&self) -> BTreeSet<Vec<RequestId>> {
        let next = |caller: usize| {
            let waiting = self.callers[caller].waiting.as_ref()?;
            Some((waiting.id, self.holder(waiting.key)?))
        };
        let cycle = |start: usize| {
            let (mut ids, mut caller) = (Vec::new(), start);
            loop {
                let (id, holder) = next(caller)?;
                ids.push(id);
                caller = holder;
                if caller == start {
                    ids.sort_unstable();
                    return Some(ids);
                } else if ids.len() > CALLERS {
                    return None;
                }
            }
        };
        (0..CALLERS).filter_map(cycle).collect()
    }

    fn note_cycles(&mut self) {
        self.existed.append(&mut self.cycles());
    }

    // The network.

    fn step(&mut self, longest_ms: usize) {
        self.now = self.now.plus(Duration::from_millis(self.dice.below(longest_ms + 1) as u64));
        for caller in 0..CALLERS {
            self.tick(caller);
            for node in 0..NODES {
                self.deliver(caller, node);
            }
        }
        self.late.retain(|command| {
            let executed = self.dice.percent(10);
            if executed {
                self.servers.execute(self.now, command.clone());
            }
            !executed
        });
    }

    fn tick(&mut self, caller: usize) {
        let Caller { holds, waiting: Some(waiting) } = &mut self.callers[caller] else { return };
        let chain = holds.iter().map(|&(_, hold)| hold).collect();
        if waiting.watch.next_tick().is_some_and(|due| due <= self.now) {
            waiting.watch.tick(self.now, || WaitState { chain, target: WaitTarget::Key });
        }
        while let Some((number, command)) = waiting.watch.poll_command() {
            waiting.pipes[node(&command)].commands.push_back((number, command));
        }
    }

    fn deliver(&mut self, caller: usize, node: usize) {
        let Some(waiting) = &mut self.callers[caller].waiting else { return };
        let pipe = &mut waiting.pipes[node];
        if self.dice.percent(self.breaks) {
            let lost = pipe.replies.drain(..).map(|(number, _)| number).collect::<Vec<_>>();
            let (unexecuted, commands): (Vec<_>, Vec<_>) = pipe.commands.drain(..).unzip();
            self.late.extend(commands);
            for number in lost.into_iter().chain(unexecuted) {
                let found =
                    waiting.watch.answer(self.now, number, Err(CommandError::ConnectionLost));
                assert_eq!(found, None, "proven by a lost connection");
            }
            return;
        }
        while self.dice.percent(self.delivers)
            && let Some((number, command)) = pipe.commands.pop_front()
        {
            pipe.replies.push_back((number, self.servers.execute(self.now, command)));
        }
        while self.dice.percent(self.delivers)
            && let Some((number, reply)) = pipe.replies.pop_front()
        {
            if let Some(cycle) = waiting.watch.answer(self.now, number, Ok(reply)) {
                let ids = cycle.iter().map(|request| request.id).collect();
                return self.report(caller, ids);
            }
        }
    }

    fn report(&mut self, caller: usize, mut ids: Vec<RequestId>) {
        let waiting = self.callers[caller].waiting.as_ref().expect("it waits");
        assert_eq!(ids[0], waiting.id, "the victim comes first");
        for other in self.callers.iter().filter_map(|caller| caller.waiting.as_ref()) {
            let age = |waiting: &RandomWait| (waiting.since_unix_ms, waiting.id);
            if ids.contains(&other.id) {
                assert!(age(other) <= age(waiting), "the youngest is the victim");
            }
        }
        ids.sort_unstable();
        assert!(self.existed.contains(&ids), "no such cycle has ever been there");
        assert!(!self.reported.contains(&ids), "reported twice");
        self.reported.push(ids);
        self.give_up(caller);
    }

    /// Nobody does anything but wait, and the network is fast.
    fn settle(&mut self) {
        (self.delivers, self.acts, self.breaks) = (100, 0, 0);
        let standing = self.cycles();
        let until = self.now.plus(Duration::from_secs(6));
        while self.now < until {
            self.step(4);
            // The rest of a round trip.
            for caller in 0..CALLERS {
                (0..NODES).for_each(|node| self.deliver(caller, node));
            }
        }
        for cycle in standing {
            assert!(self.reported.contains(&cycle), "it stands and nobody has found it");
        }
        assert_eq!(self.cycles(), BTreeSet::new());
    }
}

/// What happens at random with this seed.
fn run(seed: u64) -> System {
    let mut system = System::new(seed);
    for _ in 0..1_000 {
        if system.dice.percent(system.acts) {
            system.act();
        }
        system.step(12);
    }
    system
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn each_standing_cycle_is_reported_once_by_its_youngest_and_nothing_else_is(
        seed in any::<u64>(),
    ) {
        run(seed).settle();
    }
}

/// The runs above are about something.
#[test]
fn cycles_are_found_while_all_goes_on() {
    let systems: Vec<_> = (0..100).map(run).collect();
    let found: usize = systems.iter().map(|system| system.reported.len()).sum();
    let existed: usize = systems.iter().map(|system| system.existed.len()).sum();
    assert!(found > 20 && existed > found + 50, "{found} of {existed} were found");
}
