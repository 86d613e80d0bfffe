//! A line by itself: time is passed in and the test is the server.

pub(crate) mod alarms;
pub(crate) mod hand_over;
pub(crate) mod linger;
pub(crate) mod loss;
pub(crate) mod random;
pub(crate) mod waiting;

use std::panic::Location;
use std::time::Duration;

use crate::local::moves::{Actions, TickResult};
use crate::local::queue::LocalQueue;
use crate::local::waiting::{AcquireParams, LeaseTerms, WaiterId};
use crate::protocol::claim::Failure;
use crate::types::call_site::CallSite;
use crate::types::fence::{Fence, FenceBlock};
use crate::types::owner_info::{Holder, OwnerInfo};
use crate::types::request_id::Nonce;
use crate::types::time::Timestamp;
use crate::wire::reply::{Busy, Grant, Obstacle};

const BOUND: u32 = 8;
const TTL: Duration = Duration::from_secs(30);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const TERMS: LeaseTerms = LeaseTerms { ttl: TTL, renew: true, max_hold: Some(DAY) };
/// The first token that the server gives.
const FIRST: u64 = 100;
/// A block in which no test comes to the end.
const PLENTY: u32 = 1000;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// So many milliseconds after a start that is not that of the clock.
fn at(millis: u64) -> Timestamp {
    Timestamp::from_nanos(1_000_000_000_000).plus(ms(millis))
}

/// A line with the name for its first request.
fn named<S>(mut line: LocalQueue<S>) -> LocalQueue<S> {
    line.supply(nonce(1));
    line
}

fn nonce(number: u128) -> Nonce {
    Nonce::from_bits(number)
}

#[track_caller]
pub(crate) fn params(since: u64) -> AcquireParams {
    let call_site = CallSite::Line(Location::caller());
    let linger = Duration::ZERO;
    AcquireParams {
        since: at(since),
        deadline: None,
        queue: true,
        terms: TERMS,
        linger,
        call_site,
        label: None,
    }
}

/// One that waits until then.
#[track_caller]
fn wish_until(since: u64, deadline: u64) -> AcquireParams {
    AcquireParams { deadline: Some(at(deadline)), ..params(since) }
}

/// What came of an event, but for alarms.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    restart: Option<Nonce>,
    end: Option<Nonce>,
    /// Under which name, and in whose place.
    ask: Option<(Nonce, Option<Nonce>)>,
    serve: Option<(&'static str, u64)>,
}

fn nothing() -> Seen {
    Seen::default()
}

fn asks(name: u128) -> Seen {
    Seen { ask: Some((nonce(name), None)), ..Seen::default() }
}

fn ends(name: u128) -> Seen {
    Seen { end: Some(nonce(name)), ..Seen::default() }
}

fn ends_and_asks(old: u128, new: u128) -> Seen {
    Seen { end: Some(nonce(old)), ..asks(new) }
}

fn serves(who: &'static str, fence: u64) -> Seen {
    Seen { serve: Some((who, fence)), ..Seen::default() }
}

/// A line with a server that numbers what it is asked 1, 2, 3, and so on.
struct TestQueue {
    line: LocalQueue<&'static str>,
    asked: u128,
    /// How many tokens the latest request wants.
    block: u32,
    next_fence: u64,
    /// The latest section that began.
    inside: Option<(Nonce, Fence)>,
    alarms: Vec<Timestamp>,
}

impl TestQueue {
    fn new() -> Self {
        let line = named(LocalQueue::new(BOUND));
        Self { line, asked: 0, block: 0, next_fence: FIRST, inside: None, alarms: Vec::new() }
    }

    /// With "first" inside since 0 under a block of [`PLENTY`].
    fn held() -> Self {
        Self::held_with(params(0))
    }

    fn held_with(params: AcquireParams) -> Self {
        let mut desk = Self::new();
        assert_eq!(desk.join("first", params), asks(1));
        assert_eq!(desk.granted(0, PLENTY, false), serves("first", FIRST));
        desk
    }

    fn see(&mut self, moves: Actions<&'static str>) -> Seen {
        self.alarms.extend(moves.alarm);
        if let Some(ask) = &moves.ask {
            self.asked += 1;
            self.block = ask.block;
            assert_eq!(ask.nonce, nonce(self.asked), "a name that was used before");
            self.line.supply(nonce(self.asked + 1));
        }
        let serve = moves.serve.map(|serve| {
            self.inside = Some((serve.nonce, serve.fence));
            (serve.slot, serve.fence.get())
        });
        let ask = moves.ask.map(|ask| (ask.nonce, ask.replaces));
        Seen { restart: moves.restart, end: moves.end, ask, serve }
    }

    fn join(&mut self, who: &'static str, params: AcquireParams) -> Seen {
        self.join_numbered(who, params).1
    }

    fn join_numbered(&mut self, who: &'static str, params: AcquireParams) -> (WaiterId, Seen) {
        let (number, moves) = self.line.join(params.since, params, who);
        (number, self.see(moves))
    }

    fn leave(&mut self, number: WaiterId) -> Seen {
        let moves = self.line.leave(number);
        self.see(moves)
    }

    /// The server grants the latest request so many tokens, for a ttl.
    fn granted(&mut self, now: u64, block: u32, waited_for: bool) -> Seen {
        self.granted_until(now, block, waited_for, at(now).plus(TTL))
    }

    fn granted_until(
        &mut self,
        now: u64,
        block: u32,
        waited_for: bool,
        valid_until: Timestamp,
    ) -> Seen {
        let fences = FenceBlock::new(Fence::new(self.next_fence), block);
        let grant = Grant { fences, waited_for };
        self.next_fence += u64::from(block);
        let name = nonce(self.asked);
        let moves = self.line.granted(at(now), name, grant, valid_until);
        self.see(moves)
    }

    /// Whose request that was.
    fn failed(&mut self, now: u64) -> (Option<&'static str>, Seen) {
        let (slot, moves) = self.line.failed(at(now), nonce(self.asked));
        (slot, self.see(moves))
    }

    /// The latest section ends.
    fn released(&mut self, now: u64) -> Seen {
        let (nonce, fence) = self.inside.expect("somebody is inside");
        let moves = self.line.released(at(now), nonce, fence);
        self.see(moves)
    }

    fn lost(&mut self, name: u128) -> Seen {
        let moves = self.line.lost(nonce(name));
        self.see(moves)
    }

    fn given_up(&mut self, name: u128) -> Seen {
        let moves = self.line.given_up(nonce(name));
        self.see(moves)
    }

    fn waited_for(&mut self, now: u64, name: u128) -> Seen {
        let moves = self.line.waited_for(at(now), nonce(name));
        self.see(moves)
    }

    /// The token of a section that begins at once under a hold that was kept.
    fn take(&mut self, params: AcquireParams) -> Option<u64> {
        let serve = self.line.take(params.since, params)?.serve?;
        self.inside = Some((serve.nonce, serve.fence));
        Some(serve.fence.get())
    }

    fn tick(&mut self, now: u64) -> (Seen, TickResult<&'static str>) {
        let show =
            |inside: &crate::local::tenure::RunningSection| holder(inside.nonce, inside.fence);
        let mut rung = self.line.tick(at(now), |_| elsewhere(), show);
        let moves = std::mem::replace(&mut rung.moves, Actions::none());
        (self.see(moves), rung)
    }
}

fn holder(nonce: Nonce, fence: Fence) -> Holder {
    let who = OwnerInfo {
        host: "here".into(),
        pid: 7,
        function: "shop::sell".to_owned(),
        ttl: TTL,
        since_unix_ms: 0,
    };
    Holder { nonce, fence, who, held_unix_ms: None }
}

/// The token of the holder in another process that [`elsewhere`] tells of.
const THEIRS: u64 = 9;

/// Why the server has not granted what was asked: another process has it, and two of others come first.
fn elsewhere() -> Failure {
    let obstacle = Obstacle::Holder(Some(Box::new(holder(nonce(99), Fence::new(THEIRS)))));
    Failure::Busy(Busy { obstacle, left: None, ahead: 2, ticket: None })
}

/// The holder's token and how many come first.
#[track_caller]
fn busy(failure: &Failure) -> (Option<u64>, u64) {
    match failure {
        Failure::Busy(Busy { obstacle: Obstacle::Holder(holder), ahead, .. }) => {
            (holder.as_ref().map(|holder| holder.fence.get()), *ahead)
        }
        other => panic!("{other:?}"),
    }
}
