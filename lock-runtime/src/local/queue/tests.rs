//! A local queue by itself: time is an argument, and the test plays the server.

pub(crate) mod collected;
pub(crate) mod handoff;
pub(crate) mod linger;
pub(crate) mod loss;
pub(crate) mod random;
pub(crate) mod waiting;
pub(crate) mod wakes;

use std::cell::Cell;
use std::panic::Location;
use std::time::Duration;

use crate::local::queue::tests::collected::CollectedQueue;
use crate::local::queue::{
    AcquireParams, LeaseTerms, LocalQueue, RunningSection, SlowWait, WaiterId,
};
use crate::protocol::request::Failure;
use crate::types::fence::{Fence, FenceRange};
use crate::types::owner_info::{CallSite, HolderInfo, OwnerInfo};
use crate::types::request_id::RequestId;
use crate::types::time::{Nanos, Timestamp};
use crate::wire::reply::{BlockedBy, BusyReply, Grant};

const MAX_HANDOFFS: u32 = 8;
const TTL: Duration = Duration::from_secs(30);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const TERMS: LeaseTerms =
    LeaseTerms { ttl: Nanos::of(TTL), renew: true, max_hold: Some(Nanos::of(DAY)), min_hold_ms: 0 };
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

thread_local! {
    static REQUESTS: Cell<u128> = const { Cell::new(0) };
}

/// A queue whose requests have the ids 1, 2, 3, and so on.
fn new_queue<S>(max_handoffs: u32) -> CollectedQueue<S> {
    REQUESTS.set(0);
    CollectedQueue::new(LocalQueue::new(max_handoffs, || {
        REQUESTS.set(REQUESTS.get() + 1);
        request_id(REQUESTS.get())
    }))
}

fn request_id(waiter_id: u128) -> RequestId {
    RequestId::from_bits(waiter_id)
}

#[track_caller]
pub(crate) fn params(since: u64) -> AcquireParams {
    let call_site = CallSite::Line(Location::caller());
    let linger = Nanos::ZERO;
    AcquireParams {
        since: at(since),
        deadline: None,
        queue: true,
        alone: false,
        confirm_ms: 0,
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
    queue: CollectedQueue<&'static str>,
    requests: u128,
    /// How many tokens the latest request reserves.
    fence_count: u32,
    next_fence: u64,
    /// The latest section that started.
    running: Option<(RequestId, Fence)>,
    wakes: Vec<Timestamp>,
    /// The waiters that failed with the latest event.
    failed: Vec<(&'static str, Failure)>,
}

/// What a tick has found.
struct Ticked {
    timed_out: Vec<(&'static str, Failure)>,
    slow_waits: Vec<SlowWait>,
}

impl TestQueue {
    fn new() -> Self {
        Self {
            queue: new_queue(MAX_HANDOFFS),
            requests: 0,
            fence_count: 0,
            next_fence: FIRST,
            running: None,
            wakes: Vec::new(),
            failed: Vec::new(),
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

    /// The actions of the latest event.
    fn see(&mut self) -> Seen {
        let actions = self.queue.take_actions();
        self.failed = actions.failed;
        self.wakes.extend(actions.wake_at);
        if let Some(acquire) = &actions.acquire {
            self.requests += 1;
            self.fence_count = acquire.fence_count;
            assert_eq!(acquire.id, request_id(self.requests), "a name that was used before");
        }
        let start = actions.start.map(|who| (who, self.started()));
        let acquire = actions.acquire.map(|acquire| (acquire.id, acquire.replaces));
        Seen { reset_max_hold: actions.reset_max_hold, release: actions.release, acquire, start }
    }

    /// Returns the token of the section that has just started.
    fn started(&mut self) -> u64 {
        let &RunningSection { fence, .. } = self.queue.running().expect("it runs");
        let id = self.queue.lease_id().expect("it runs under a lease");
        self.running = Some((id, fence));
        fence.get()
    }

    fn join(&mut self, who: &'static str, params: AcquireParams) -> Seen {
        self.join_with_id(who, params).1
    }

    fn join_with_id(&mut self, who: &'static str, params: AcquireParams) -> (WaiterId, Seen) {
        let waiter_id = self.queue.join(params.since, params, who);
        (waiter_id, self.see())
    }

    fn cancel(&mut self, waiter_id: WaiterId) -> Seen {
        self.queue.cancel(waiter_id);
        self.see()
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
        self.queue.granted(at(now), name, grant, valid_until);
        self.see()
    }

    /// Returns the waiter whose request failed.
    fn failed(&mut self, now: u64) -> (Option<&'static str>, Seen) {
        self.queue.failed(at(now), request_id(self.requests), Failure::NoReply);
        let seen = self.see();
        (self.failed.pop().map(|(who, _)| who), seen)
    }

    /// The latest section ends.
    fn released(&mut self, now: u64) -> Seen {
        let (id, fence) = self.running.expect("a section runs");
        self.queue.released(at(now), id, fence);
        self.see()
    }

    fn lost(&mut self, name: u128) -> Seen {
        self.queue.lost(request_id(name));
        self.see()
    }

    fn released_directly(&mut self, name: u128) -> Seen {
        self.queue.released_directly(request_id(name));
        self.see()
    }

    fn contended(&mut self, now: u64, name: u128) -> Seen {
        self.queue.contended(at(now), request_id(name));
        self.see()
    }

    /// Starts a section under a lingering lease. Returns its token.
    fn take_idle(&mut self, params: AcquireParams) -> Option<u64> {
        self.queue.take_idle(params.since, params).then(|| self.started())
    }

    fn tick(&mut self, now: u64) -> (Seen, Ticked) {
        let show = |id, running: &RunningSection| holder(id, running.fence);
        self.tick_with(now, elsewhere(), show)
    }

    fn tick_with(
        &mut self,
        now: u64,
        blocked_by: Failure,
        show: impl FnOnce(RequestId, &RunningSection) -> HolderInfo,
    ) -> (Seen, Ticked) {
        let report = self.queue.tick(at(now), |_| blocked_by, show);
        let seen = self.see();
        assert_eq!(report.timed_out, self.failed.len());
        let timed_out = std::mem::take(&mut self.failed);
        (seen, Ticked { timed_out, slow_waits: report.slow_waits })
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
