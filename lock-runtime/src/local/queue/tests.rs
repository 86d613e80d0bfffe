//! A local queue by itself: time is an argument, and the test plays the server.

pub(crate) mod handoff;
pub(crate) mod linger;
pub(crate) mod loss;
pub(crate) mod random;
pub(crate) mod waiting;
pub(crate) mod wakes;

use std::panic::Location;
use std::time::Duration;

use crate::local::params::{AcquireParams, LeaseTerms};
use crate::local::queue::{Actions, LocalQueue, TickResult};
use crate::local::waiters::WaiterId;
use crate::protocol::request::Failure;
use crate::types::fence::{Fence, FenceRange};
use crate::types::owner_info::{CallSite, HolderInfo, OwnerInfo};
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::reply::{BlockedBy, BusyReply, Grant};

const MAX_HANDOFFS: u32 = 8;
const TTL: Duration = Duration::from_secs(30);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const TERMS: LeaseTerms = LeaseTerms { ttl: TTL, renew: true, max_hold: Some(DAY) };
/// The first token that the server issues.
const FIRST: u64 = 100;
/// A range of tokens that no test uses up.
const PLENTY: u32 = 1000;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// This many milliseconds after an arbitrary start.
fn at(millis: u64) -> Timestamp {
    Timestamp::from_nanos(1_000_000_000_000).plus(ms(millis))
}

/// A queue that has the id of its first request.
fn with_request_id<S>(mut queue: LocalQueue<S>) -> LocalQueue<S> {
    queue.provide_request_id(request_id(1));
    queue
}

fn request_id(waiter_id: u128) -> RequestId {
    RequestId::from_bits(waiter_id)
}

#[track_caller]
pub(crate) fn params(since: u64) -> AcquireParams {
    let call_site = CallSite::Line(Location::caller());
    let linger = Duration::ZERO;
    AcquireParams {
        since: at(since),
        deadline: None,
        queue: true,
        alone: false,
        terms: TERMS,
        linger,
        call_site,
        label: None,
    }
}

/// With a deadline.
#[track_caller]
fn params_until(since: u64, deadline: u64) -> AcquireParams {
    AcquireParams { deadline: Some(at(deadline)), ..params(since) }
}

/// The actions of an event, but for ticks.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    reset_max_hold: Option<RequestId>,
    release: Option<RequestId>,
    /// The id, and that of the request it replaces.
    acquire: Option<(RequestId, Option<RequestId>)>,
    start: Option<(&'static str, u64)>,
}

fn nothing() -> Seen {
    Seen::default()
}

fn acquires(name: u128) -> Seen {
    Seen { acquire: Some((request_id(name), None)), ..Seen::default() }
}

fn releases(name: u128) -> Seen {
    Seen { release: Some(request_id(name)), ..Seen::default() }
}

fn releases_and_acquires(old: u128, new: u128) -> Seen {
    Seen { release: Some(request_id(old)), ..acquires(new) }
}

fn starts(who: &'static str, fence: u64) -> Seen {
    Seen { start: Some((who, fence)), ..Seen::default() }
}

/// A queue and a server that numbers the requests 1, 2, 3, and so on.
struct TestQueue {
    queue: LocalQueue<&'static str>,
    requests: u128,
    /// How many tokens the latest request reserves.
    fence_count: u32,
    next_fence: u64,
    /// The latest section that started.
    running: Option<(RequestId, Fence)>,
    wakes: Vec<Timestamp>,
}

impl TestQueue {
    fn new() -> Self {
        let queue = with_request_id(LocalQueue::new(MAX_HANDOFFS));
        Self {
            queue,
            requests: 0,
            fence_count: 0,
            next_fence: FIRST,
            running: None,
            wakes: Vec::new(),
        }
    }

    /// "first" has run since 0 and has [`PLENTY`] of tokens.
    fn held() -> Self {
        Self::held_with(params(0))
    }

    fn held_with(params: AcquireParams) -> Self {
        let mut queue = Self::new();
        assert_eq!(queue.join("first", params), acquires(1));
        assert_eq!(queue.granted(0, PLENTY, false), starts("first", FIRST));
        queue
    }

    fn see(&mut self, actions: Actions<&'static str>) -> Seen {
        self.wakes.extend(actions.wake_at);
        if let Some(acquire) = &actions.acquire {
            self.requests += 1;
            self.fence_count = acquire.fence_count;
            assert_eq!(acquire.id, request_id(self.requests), "a name that was used before");
            self.queue.provide_request_id(request_id(self.requests + 1));
        }
        let start = actions.start.map(|start| {
            self.running = Some((start.id, start.fence));
            (start.sender, start.fence.get())
        });
        let acquire = actions.acquire.map(|acquire| (acquire.id, acquire.replaces));
        Seen { reset_max_hold: actions.reset_max_hold, release: actions.release, acquire, start }
    }

    fn join(&mut self, who: &'static str, params: AcquireParams) -> Seen {
        self.join_with_id(who, params).1
    }

    fn join_with_id(&mut self, who: &'static str, params: AcquireParams) -> (WaiterId, Seen) {
        let (waiter_id, actions) = self.queue.join(params.since, params, who);
        (waiter_id, self.see(actions))
    }

    fn cancel(&mut self, waiter_id: WaiterId) -> Seen {
        let actions = self.queue.cancel(waiter_id);
        self.see(actions)
    }

    /// The server grants the latest request this many tokens, for a ttl.
    fn granted(&mut self, now: u64, fence_count: u32, contended: bool) -> Seen {
        self.granted_until(now, fence_count, contended, at(now).plus(TTL))
    }

    fn granted_until(
        &mut self,
        now: u64,
        fence_count: u32,
        contended: bool,
        valid_until: Timestamp,
    ) -> Seen {
        let fences = FenceRange::new(Fence::new(self.next_fence), fence_count);
        let grant = Grant { fences, contended };
        self.next_fence += u64::from(fence_count);
        let name = request_id(self.requests);
        let actions = self.queue.granted(at(now), name, grant, valid_until);
        self.see(actions)
    }

    /// Returns the waiter whose request failed.
    fn failed(&mut self, now: u64) -> (Option<&'static str>, Seen) {
        let (sender, actions) = self.queue.failed(at(now), request_id(self.requests));
        (sender, self.see(actions))
    }

    /// The latest section ends.
    fn released(&mut self, now: u64) -> Seen {
        let (id, fence) = self.running.expect("somebody is inside");
        let actions = self.queue.released(at(now), id, fence);
        self.see(actions)
    }

    fn lost(&mut self, name: u128) -> Seen {
        let actions = self.queue.lost(request_id(name));
        self.see(actions)
    }

    fn released_directly(&mut self, name: u128) -> Seen {
        let actions = self.queue.released_directly(request_id(name));
        self.see(actions)
    }

    fn contended(&mut self, now: u64, name: u128) -> Seen {
        let actions = self.queue.contended(at(now), request_id(name));
        self.see(actions)
    }

    /// Starts a section under a lingering lease. Returns its token.
    fn take_idle(&mut self, params: AcquireParams) -> Option<u64> {
        let start = self.queue.take_idle(params.since, params)?.start?;
        self.running = Some((start.id, start.fence));
        Some(start.fence.get())
    }

    fn tick(&mut self, now: u64) -> (Seen, TickResult<&'static str>) {
        let show =
            |running: &crate::local::queue::RunningSection| holder(running.id, running.fence);
        let mut result = self.queue.tick(at(now), |_| elsewhere(), show);
        let actions = std::mem::replace(&mut result.actions, Actions::none());
        (self.see(actions), result)
    }
}

fn holder(id: RequestId, fence: Fence) -> HolderInfo {
    let owner = OwnerInfo {
        host: "here".into(),
        pid: 7,
        function: "shop::sell".to_owned(),
        ttl: TTL,
        since_unix_ms: 0,
    };
    HolderInfo { id, fence, owner, held_unix_ms: None }
}

/// The token of the holder in [`elsewhere`].
const THEIRS: u64 = 9;

/// Why the server has not granted a request: another process has the lock, and two others wait
/// before this one.
fn elsewhere() -> Failure {
    let blocked_by = BlockedBy::Holder(Some(Box::new(holder(request_id(99), Fence::new(THEIRS)))));
    Failure::Busy(BusyReply { blocked_by, left: None, ahead: 2, ticket: None })
}

/// The holder's token, and how many are ahead.
#[track_caller]
fn busy(failure: &Failure) -> (Option<u64>, u64) {
    match failure {
        Failure::Busy(BusyReply { blocked_by: BlockedBy::Holder(holder), ahead, .. }) => {
            (holder.as_ref().map(|holder| holder.fence.get()), *ahead)
        }
        other => panic!("{other:?}"),
    }
}
