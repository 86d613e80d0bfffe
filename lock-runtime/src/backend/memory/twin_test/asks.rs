//! Requests for one key, and short forms for tests that need no different numbers on the two sides.

use std::time::Duration;

use redis::{ErrorKind, RedisResult};

use crate::backend::memory::twin_test::alike::Message;
use crate::backend::memory::twin_test::both::{Both, LIVE, Pair};
use crate::types::fence::{Fence, FenceBlock};
use crate::types::owner_info::OwnerInfo;
use crate::types::request_id::Nonce;
use crate::wire::bound::Quarantine;
use crate::wire::call::{Acquire, Call, Enqueue, Give, WAITER_LEASE};
use crate::wire::reply::{AcquireReply, Answer, Busy, Grant, Reply};

/// How many tokens a request wants unless a test says otherwise.
pub(crate) const BLOCK: u32 = 3;
pub(crate) const KEY: &str = "order:7";
pub(crate) const BOUND: Duration = Duration::from_millis(5_400);
pub(crate) const QUARANTINE: Quarantine = Quarantine { bound: BOUND, waits: true };

pub(crate) fn nonce(number: u8) -> Nonce {
    Nonce::from_bits(u128::from(number) << 120 | 0xfeed)
}

pub(crate) fn give(nonce: Nonce) -> Give {
    Give { key: KEY.into(), nonce, floor: Fence::ZERO, quarantine: QUARANTINE }
}

/// An acquire that queues under this inbox.
pub(crate) fn queueing(nonce: Nonce, inbox: &str) -> Acquire {
    Acquire {
        inbox: inbox.into(),
        enqueue: Some(Enqueue { ticket: None, lease: WAITER_LEASE }),
        ..once(nonce)
    }
}

/// An acquire that tries once.
pub(crate) fn once(nonce: Nonce) -> Acquire {
    Acquire {
        give: give(nonce),
        ttl: Duration::from_secs(15),
        who: owner_info(nonce),
        inbox: LIVE[0].into(),
        block: BLOCK,
        expects_free: false,
        enqueue: None,
    }
}

pub(crate) fn owner_info(nonce: Nonce) -> OwnerInfo {
    OwnerInfo {
        ttl: Duration::from_secs(15),
        since_unix_ms: 1_700_000_000_000,
        pid: u32::from(nonce.jitter()),
        host: "somewhere".into(),
        function: "bank::withdraw (with spaces)".to_owned(),
    }
}

impl Both {
    pub(crate) fn same(&mut self, call: Call) -> Reply {
        let call = Pair { server: call.clone(), twin: call };
        self.call(&call)
            .unwrap_or_else(|difference| panic!("{:?}: {difference}", call.server))
            .server
    }

    pub(crate) fn acquire(&mut self, ask: Acquire) -> AcquireReply {
        match self.same(Call::Acquire(ask)) {
            Reply::Acquire(reply) => reply,
            other => panic!("an acquire was answered by {other:?}"),
        }
    }

    pub(crate) fn granted(&mut self, ask: Acquire) -> Fence {
        self.grant(ask).fences.first()
    }

    pub(crate) fn grant(&mut self, ask: Acquire) -> Grant {
        match self.acquire(ask) {
            AcquireReply::Granted(grant) => grant,
            other => panic!("not granted: {other:?}"),
        }
    }

    pub(crate) fn busy(&mut self, ask: Acquire) -> Busy {
        match self.acquire(ask) {
            AcquireReply::Busy(busy) => busy,
            other => panic!("not busy: {other:?}"),
        }
    }

    pub(crate) fn release(&mut self, nonce: Nonce) -> bool {
        self.same(Call::Release(give(nonce))) == Reply::Ended(true)
    }

    /// The grants that waiters were told of.
    pub(crate) fn grants(&self) -> impl DoubleEndedIterator<Item = (Nonce, FenceBlock)> {
        self.messages.iter().filter_map(Message::granted)
    }

    /// The holds that were told of a waiter.
    pub(crate) fn asked(&self) -> Vec<Nonce> {
        self.messages.iter().filter_map(Message::asked).collect()
    }

    /// The requests that were told of a grant.
    pub(crate) fn told(&self) -> Vec<Nonce> {
        self.grants().map(|(nonce, _)| nonce).collect()
    }
}

/// The code and the text of the error a call has to end in.
pub(crate) fn refusal(reply: RedisResult<Answer>) -> String {
    let error = reply.expect_err("the server refuses this");
    assert_ne!(error.kind(), ErrorKind::Io, "{error}");
    error.to_string()
}
