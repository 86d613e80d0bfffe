//! Requests for one key, and short forms for tests that need no different numbers on the two sides.

use std::time::Duration;

use redis::{ErrorKind, RedisResult};

use crate::backend::memory::tests::compare::PubSubMessage;
use crate::backend::memory::tests::parity::{Both, LIVE, Pair};
use crate::types::fence::{Fence, FenceRange};
use crate::types::owner_info::OwnerInfo;
use crate::types::request_id::RequestId;
use crate::wire::command::{Acquire, Command, Enqueue, Renewal, RequestRef};
use crate::wire::keyspace::{DataLossGrace, WAITER_LEASE};
use crate::wire::reply::{AcquireReply, BusyReply, Grant, RawReply, Reply};

/// How many tokens a request wants unless a test says otherwise.
pub(crate) const BLOCK: u32 = 3;
pub(crate) const KEY: &str = "order:7";
pub(crate) const BOUND: Duration = Duration::from_millis(5_400);
pub(crate) const QUARANTINE: DataLossGrace = DataLossGrace { max_lease: BOUND, waits: true };

pub(crate) fn request_id(number: u8) -> RequestId {
    RequestId::from_bits(u128::from(number) << 120 | 0xfeed)
}

pub(crate) fn request(id: RequestId) -> RequestRef {
    RequestRef { key: KEY.into(), id, min_fence: Fence::ZERO, data_loss_grace: QUARANTINE }
}

/// An acquire that queues under this inbox.
pub(crate) fn queueing(id: RequestId, inbox: &str) -> Acquire {
    Acquire {
        inbox: inbox.into(),
        enqueue: Some(Enqueue { ticket: None, lease: WAITER_LEASE }),
        ..once(id)
    }
}

/// An acquire that tries once.
pub(crate) fn once(id: RequestId) -> Acquire {
    Acquire {
        request: request(id),
        ttl: Duration::from_secs(15),
        owner: owner_info(id),
        inbox: LIVE[0].into(),
        fence_count: BLOCK,
        likely_free: false,
        enqueue: None,
    }
}

pub(crate) fn owner_info(id: RequestId) -> OwnerInfo {
    OwnerInfo {
        ttl: Duration::from_secs(15),
        since_unix_ms: 1_700_000_000_000 + u64::from(id.jitter()),
        pid: 4711,
        host: "somewhere".into(),
        function: "bank::withdraw (with spaces)".to_owned(),
    }
}

impl Both {
    pub(crate) fn same(&mut self, call: Command) -> Reply {
        let call = Pair { server: call.clone(), memory: call };
        self.call(&call)
            .unwrap_or_else(|difference| panic!("{:?}: {difference}", call.server))
            .server
    }

    pub(crate) fn acquire(&mut self, ask: Acquire) -> AcquireReply {
        match self.same(Command::Acquire(ask)) {
            Reply::Acquire(reply) => reply,
            other => panic!("an acquire was answered by {other:?}"),
        }
    }

    pub(crate) fn granted(&mut self, ask: Acquire) -> Fence {
        self.grant(ask).fences.first
    }

    pub(crate) fn grant(&mut self, ask: Acquire) -> Grant {
        match self.acquire(ask) {
            AcquireReply::Granted(grant) => grant,
            other => panic!("not granted: {other:?}"),
        }
    }

    pub(crate) fn busy(&mut self, ask: Acquire) -> BusyReply {
        match self.acquire(ask) {
            AcquireReply::Busy(busy) => busy,
            other => panic!("not busy: {other:?}"),
        }
    }

    pub(crate) fn release(&mut self, id: RequestId) -> bool {
        self.same(release(request(id))) == Reply::Released(true)
    }

    /// The first token of the hold that the server has; zero without one.
    pub(crate) fn held_fence(&mut self) -> Fence {
        let look = Command::Inspect { key: KEY.into(), limit: 0 };
        let answer = self.ask(&look).expect("an answer");
        match look.decode(&answer) {
            Ok(Reply::Inspection(seen)) => seen.holder.map_or(Fence::ZERO, |holder| holder.fence),
            other => panic!("an inspection was answered by {other:?}"),
        }
    }

    /// The renewal by this request of the hold that the server has.
    pub(crate) fn renewal(&mut self, number: u8, ttl: Duration) -> Renewal {
        let fence = self.held_fence();
        Renewal::Hold { key: KEY.into(), id: request_id(number), fence, ttl }
    }

    /// The grants that waiters were notified of.
    pub(crate) fn grants(&self) -> impl DoubleEndedIterator<Item = (RequestId, FenceRange)> {
        self.messages.iter().filter_map(PubSubMessage::granted)
    }

    /// The holds that were notified of a waiter.
    pub(crate) fn asked(&self) -> Vec<RequestId> {
        self.messages.iter().filter_map(PubSubMessage::asked).collect()
    }

    /// The requests that were notified of a grant.
    pub(crate) fn notified(&self) -> Vec<RequestId> {
        self.grants().map(|(id, _)| id).collect()
    }
}

/// The code and the text of the error a call has to end in.
pub(crate) fn refusal(reply: RedisResult<RawReply>) -> String {
    let error = reply.expect_err("the server refuses this");
    assert_ne!(error.kind(), ErrorKind::Io, "{error}");
    error.to_string()
}

/// A release of what nobody is known to wait for.
pub(crate) fn release(request: RequestRef) -> Command {
    Command::Release { request, contended: false, keep: Duration::ZERO }
}
