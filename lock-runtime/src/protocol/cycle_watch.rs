//! Deadlock detection in a cluster, where each server knows a part of the wait-for graph.
//!
//! Each wait inside of other locks is registered in a hash of each section around it, which is on
//! some server of the cluster. The watch of a wait follows the edges itself: it reads who holds the
//! key, then which requests wait inside that section, and so on. It counts older requests only, so
//! that of all members of a cycle the youngest one alone finds it, as on one server.
//!
//! The servers have no common clock, so a proof needs the numbers of registrations. A watch sends
//! registration `n + 1` no sooner than [`REGISTER_AGAIN`] after the reply to registration `n`,
//! less a tenth. The reads of a first sighting take at most half as long. A member of which it has
//! read number `n` had the reply to `n + 1` at the earliest when the sighting began, so it sent
//! number `n + 2` after the sighting ended. A second sighting that reads the same holds, and `n +
//! 2` or more of each member, proves that all of them waited for each other when the first one
//! ended. In a cycle no wait can end.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::protocol::request::{CommandError, CommandId};
use crate::protocol::timing::{PROBE_AFTER, earliest, spread};
use crate::types::owner_info::OwnerInfo;
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::command::{Command, PROBE_LIMIT, RegisteredWait, WaitState, WaitTarget};
use crate::wire::reply::{BlockedRequest, BlockedWait, Reply};

/// How long after the reply to the last registration the next one is sent.
const REGISTER_AGAIN: Duration = Duration::from_millis(200);
/// How long the reads of a first sighting may take.
const FIRST_SIGHTING: Duration = Duration::from_millis(90);
/// How long after its first registration a wait looks for a cycle: waits that began at the same
/// time have registered by then.
const FIRST_LOOK: Duration = Duration::from_millis(60);
/// When it looks again after a sighting without a cycle.
const LOOK_AGAIN: Duration = Duration::from_millis(300);
/// When it looks again after a sighting that took too long or failed.
const RETRY: Duration = Duration::from_millis(100);
/// How long after the first sighting the second one begins. By then most members have registered
/// twice.
const CONFIRM_AFTER: Duration = Duration::from_millis(250);
/// How long the second sighting waits for its answers.
const SECOND_SIGHTING: Duration = Duration::from_secs(1);
/// A member that has not registered twice in this time does not wait any more.
const GIVE_UP: Duration = Duration::from_millis(1500);
/// How far apart the numbers before and after a refused registration are, so that nobody compares
/// them: the refused one may be executed later, and its server may have lost those before it.
const NEW_SERIES: u64 = 1 << 32;
/// How many sections a way may lead through.
const MAX_DEPTH: u32 = 16;

/// Looks for a cycle that one wait is part of. Commands come out, their answers and times go in.
pub struct CycleWatch {
    id: RequestId,
    key: Arc<str>,
    owner: OwnerInfo,
    /// As of the last registration.
    state: WaitState,
    /// The sections under which it may be registered.
    registered: Vec<RequestId>,
    /// The number of the last registration that all servers have.
    count: u64,
    /// How many registrations are not answered.
    registering: usize,
    /// Whether a server has refused the current registration.
    refused: bool,
    register_at: Option<Timestamp>,
    look: Sighting,
    /// When to look, or when the answers to the current look are too late.
    look_at: Option<Timestamp>,
    asked: Questions,
}

enum Sighting {
    Idle,
    First(Walk),
    Suspected(Suspicion),
}

/// The first sighting.
struct Walk {
    begun: Timestamp,
    /// The requests on all ways, the watched one first.
    steps: Vec<Visit>,
    seen: HashSet<RequestId>,
    unanswered: usize,
}

struct Visit {
    wait: BlockedWait,
    /// The step before this one.
    from: usize,
    depth: u32,
    /// The section that has what it waits for; [`RequestId::NONE`] while that is unknown.
    blocked_by: RequestId,
}

/// A cycle that was seen once.
struct Suspicion {
    seen_at: Timestamp,
    members: Vec<Member>,
    /// Of the second sighting.
    unanswered: usize,
    verdict: Verdict,
}

struct Member {
    wait: BlockedWait,
    /// The section that it is registered under.
    inside: RequestId,
    /// The section that has what it waits for.
    blocked_by: RequestId,
}

/// From the best to the worst.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Proven,
    /// A member has not registered often enough, or a server has not answered.
    Open,
    Refuted,
}

/// What a command was sent for.
enum Question {
    Registration,
    /// The number of a step or member.
    Holder(usize),
    Inside(usize),
    /// Nobody waits for the answer.
    Nothing,
}

#[derive(Default)]
struct Questions {
    next: CommandId,
    open: HashMap<CommandId, Question>,
    commands: VecDeque<(CommandId, Command)>,
}

impl Questions {
    fn ask(&mut self, question: Question, command: Command) {
        if !matches!(question, Question::Nothing) {
            self.open.insert(self.next, question);
        }
        self.commands.push_back((self.next, command));
        self.next += 1;
    }

    fn drop_look(&mut self) {
        self.open.retain(|_, question| matches!(question, Question::Registration));
    }
}

impl CycleWatch {
    /// Watches a wait from now on.
    pub fn new(now: Timestamp, id: RequestId, key: Arc<str>, owner: OwnerInfo) -> Self {
        Self {
            id,
            key,
            owner,
            state: WaitState { chain: Vec::new(), target: WaitTarget::Key },
            registered: Vec::new(),
            count: 0,
            registering: 0,
            refused: false,
            register_at: Some(now.plus(spread(PROBE_AFTER, id))),
            look: Sighting::Idle,
            look_at: None,
            asked: Questions::default(),
        }
    }

    /// The next command to send. Its answer goes to [`Self::answer`].
    pub fn poll_command(&mut self) -> Option<(CommandId, Command)> {
        self.asked.commands.pop_front()
    }

    /// When [`Self::tick`] is needed.
    pub fn next_tick(&self) -> Option<Timestamp> {
        earliest([self.register_at, self.look_at])
    }

    /// Does what is due. `wait_state`: what the wait is for now, and inside of which sections.
    pub fn tick(&mut self, now: Timestamp, wait_state: impl FnOnce() -> WaitState) {
        if self.register_at.take_if(|due| *due <= now).is_some() {
            self.register(now, wait_state());
        }
        if self.look_at.take_if(|due| *due <= now).is_some() {
            self.look(now);
        }
    }

    /// The answer to a command. Returns the cycle that the wait is part of, once one is proven:
    /// this one first.
    pub fn answer(
        &mut self,
        now: Timestamp,
        number: CommandId,
        answer: Result<Reply, CommandError>,
    ) -> Option<Vec<BlockedRequest>> {
        match self.asked.open.remove(&number)? {
            Question::Registration => self.registered(now, answer.is_ok()),
            question if matches!(self.look, Sighting::First(_)) => {
                self.walked(now, &question, answer);
            }
            question => return self.checked(now, &question, answer),
        }
        None
    }

    /// The wait is over: the commands to send, whose answers nobody needs.
    pub fn end(&mut self) -> impl Iterator<Item = Command> {
        let id = self.id;
        self.registered.drain(..).map(move |section| Command::Register { section, id, wait: None })
    }

    fn register(&mut self, now: Timestamp, state: WaitState) {
        self.state = state;
        let Self { id, registered, state: WaitState { chain, target }, asked, .. } = self;
        chain.sort_unstable();
        chain.dedup();
        registered.retain(|&section| {
            let stays = chain.contains(&section);
            if !stays {
                let end = Command::Register { section, id: *id, wait: None };
                asked.ask(Question::Nothing, end);
            }
            stays
        });
        let (count, target, key, owner) = (self.count + 1, *target, &self.key, &self.owner);
        for &section in chain.iter() {
            if !registered.contains(&section) {
                registered.push(section);
            }
            let (key, owner) = (Arc::clone(key), owner.clone());
            let wait = Some(RegisteredWait { count, target, key, owner });
            asked.ask(Question::Registration, Command::Register { section, id: *id, wait });
        }
        self.registering = chain.len();
        self.refused = false;
        if self.registering == 0 {
            self.register_at = Some(now.plus(spread(REGISTER_AGAIN, self.id)));
        }
    }

    fn registered(&mut self, now: Timestamp, done: bool) {
        self.registering -= 1;
        self.refused |= !done;
        if self.registering > 0 {
            return;
        }
        self.register_at = Some(now.plus(spread(REGISTER_AGAIN, self.id)));
        self.count += if self.refused { NEW_SERIES } else { 1 };
        if self.look_at.is_none() && !self.refused {
            self.look_at = Some(now.plus(FIRST_LOOK));
        }
    }

    fn look(&mut self, now: Timestamp) {
        self.asked.drop_look();
        match &mut self.look {
            Sighting::First(_) => self.look_later(now, RETRY),
            Sighting::Suspected(suspicion) if now.since(suspicion.seen_at) < GIVE_UP => {
                suspicion.look_again(&mut self.asked);
                self.look_at = Some(now.plus(SECOND_SIGHTING));
            }
            Sighting::Idle | Sighting::Suspected(_) => self.look_first(now),
        }
    }

    fn look_later(&mut self, now: Timestamp, after: Duration) {
        self.asked.drop_look();
        self.look = Sighting::Idle;
        self.look_at = Some(now.plus(spread(after, self.id)));
    }

    // The first sighting.

    fn look_first(&mut self, now: Timestamp) {
        let request = BlockedRequest {
            id: self.id,
            refreshed_us: 0,
            key: self.key.to_string(),
            owner: self.owner.clone(),
        };
        let wait = BlockedWait { request, count: self.count, target: self.state.target };
        let seen = HashSet::from([self.id]);
        self.look = Sighting::First(Walk { begun: now, steps: Vec::new(), seen, unanswered: 0 });
        self.look_at = Some(now.plus(FIRST_SIGHTING));
        self.step(now, 0, wait);
        self.end_walk(now);
    }

    fn walked(&mut self, now: Timestamp, question: &Question, answer: Result<Reply, CommandError>) {
        let Sighting::First(walk) = &mut self.look else { return };
        walk.unanswered -= 1;
        if now.since(walk.begun) > FIRST_SIGHTING {
            return self.look_later(now, RETRY);
        }
        match (question, answer) {
            (&Question::Holder(step), Ok(Reply::Holder(section))) => {
                if let Some(section) = section {
                    self.blocked_by(now, step, section);
                }
            }
            (&Question::Inside(step), Ok(Reply::Blocked(mut waits))) => {
                waits.sort_unstable_by_key(|wait| wait.request.id);
                for wait in waits {
                    self.step(now, step, wait);
                }
            }
            _ => return self.look_later(now, RETRY),
        }
        self.end_walk(now);
    }

    /// The way leads from another request to this one, which waits inside the section that blocks
    /// that one.
    fn step(&mut self, now: Timestamp, from: usize, wait: BlockedWait) {
        let Sighting::First(walk) = &mut self.look else { return };
        let first = walk.steps.is_empty();
        let age = |wait: &BlockedWait| (wait.request.owner.since_unix_ms, wait.request.id);
        let counts = age(&wait) < (self.owner.since_unix_ms, self.id)
            && walk.steps.len() <= PROBE_LIMIT as usize
            && !walk.seen.contains(&wait.request.id);
        if !first && !counts {
            return;
        }
        walk.seen.insert(wait.request.id);
        let depth = walk.steps.get(from).map_or(0, |from| from.depth + 1);
        let (number, target) = (walk.steps.len(), wait.target);
        let key = Arc::from(wait.request.key.as_str());
        walk.steps.push(Visit { wait, from, depth, blocked_by: RequestId::NONE });
        match target {
            WaitTarget::Section(section) => self.blocked_by(now, number, section),
            WaitTarget::Key => {
                walk.unanswered += 1;
                self.asked.ask(Question::Holder(number), Command::LookAtHold(key));
            }
        }
    }

    /// This section has what the request of this step waits for.
    fn blocked_by(&mut self, now: Timestamp, number: usize, section: RequestId) {
        let Sighting::First(walk) = &mut self.look else { return };
        let Some(step) = walk.steps.get_mut(number) else { return };
        step.blocked_by = section;
        if self.state.chain.contains(&section) {
            return self.suspect(now, number);
        }
        let leads_on = section != RequestId::NONE && step.depth < MAX_DEPTH;
        if leads_on && walk.seen.insert(section) {
            walk.unanswered += 1;
            self.asked.ask(Question::Inside(number), Command::LookAtSection(section));
        }
    }

    fn end_walk(&mut self, now: Timestamp) {
        if matches!(&self.look, Sighting::First(walk) if walk.unanswered == 0) {
            self.look_later(now, LOOK_AGAIN);
        }
    }

    /// The way that ends with this step leads back to the watched wait.
    fn suspect(&mut self, now: Timestamp, last: usize) {
        let Sighting::First(walk) = std::mem::replace(&mut self.look, Sighting::Idle) else {
            return;
        };
        let mut numbers = vec![last];
        while let Some(&number) = numbers.last()
            && number > 0
        {
            numbers.push(walk.steps[number].from);
        }
        let mut inside = walk.steps[last].blocked_by;
        let mut steps: Vec<_> = walk.steps.into_iter().map(Some).collect();
        let mut members = Vec::with_capacity(numbers.len());
        for number in numbers.into_iter().rev() {
            let Some(Visit { wait, blocked_by, .. }) = steps[number].take() else { return };
            members.push(Member { wait, inside, blocked_by });
            inside = blocked_by;
        }
        self.asked.drop_look();
        let verdict = Verdict::Open;
        self.look =
            Sighting::Suspected(Suspicion { seen_at: now, members, unanswered: 0, verdict });
        self.look_at = Some(now.plus(CONFIRM_AFTER));
    }

    // The second sighting.

    fn checked(
        &mut self,
        now: Timestamp,
        question: &Question,
        answer: Result<Reply, CommandError>,
    ) -> Option<Vec<BlockedRequest>> {
        let Sighting::Suspected(suspicion) = &mut self.look else { return None };
        suspicion.note(question, answer);
        if suspicion.unanswered > 0 {
            return None;
        }
        match suspicion.verdict {
            Verdict::Proven => {
                (self.register_at, self.look_at) = (None, None);
                let members = std::mem::take(&mut suspicion.members);
                return Some(members.into_iter().map(|member| member.wait.request).collect());
            }
            Verdict::Open => self.look_at = Some(now.plus(spread(RETRY, self.id))),
            Verdict::Refuted => self.look_later(now, RETRY),
        }
        None
    }
}

impl Suspicion {
    fn look_again(&mut self, asked: &mut Questions) {
        let before = asked.open.len();
        for (number, member) in self.members.iter().enumerate() {
            if member.wait.target == WaitTarget::Key {
                let key = member.wait.request.key.as_str().into();
                asked.ask(Question::Holder(number), Command::LookAtHold(key));
            }
            asked.ask(Question::Inside(number), Command::LookAtSection(member.inside));
        }
        self.unanswered = asked.open.len() - before;
        self.verdict = Verdict::Proven;
    }

    fn note(&mut self, question: &Question, answer: Result<Reply, CommandError>) {
        self.unanswered -= 1;
        let verdict = match (question, answer) {
            (&Question::Holder(number), Ok(Reply::Holder(holder))) => {
                let same = holder == Some(self.members[number].blocked_by);
                if same { Verdict::Proven } else { Verdict::Refuted }
            }
            (&Question::Inside(number), Ok(Reply::Blocked(waits))) => {
                self.members[number].compare(&waits)
            }
            _ => Verdict::Open,
        };
        self.verdict = self.verdict.max(verdict);
    }
}

impl Member {
    /// Whether it has waited ever since the first sighting, by what is registered now.
    fn compare(&self, waits: &[BlockedWait]) -> Verdict {
        let Self { wait: BlockedWait { request, count, target }, .. } = self;
        let same = |wait: &BlockedWait| {
            (wait.request.id, &wait.request.key, wait.target) == (request.id, &request.key, *target)
        };
        match waits.iter().find(|wait| same(wait)) {
            Some(wait) if wait.count < count.saturating_add(2) => Verdict::Open,
            Some(wait) if wait.count - *count < NEW_SERIES / 2 => Verdict::Proven,
            Some(_) | None => Verdict::Refuted,
        }
    }
}
