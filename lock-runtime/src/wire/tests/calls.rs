//! Calls about few keys by few requests, so that they meet.

use std::time::Duration;

use proptest::prelude::*;

use crate::types::fence::Fence;
use crate::types::owner_info::OwnerInfo;
use crate::types::request_id::RequestId;
use crate::wire::command::{
    Acquire, Command, Enqueue, OpenTokens, Probe, RegisteredWait, Renewal, RequestRef, WaitTarget,
};
use crate::wire::keyspace::{DataLossGrace, Keyspace, Mark, WAITER_LEASE};
use crate::wire::slot::Slot;

/// One of few requests.
pub fn name() -> impl Strategy<Value = RequestId> {
    (0..5_u128).prop_map(|number| RequestId::from_bits(number << 121 | number))
}

pub fn owner_info() -> OwnerInfo {
    OwnerInfo {
        ttl: Duration::from_secs(30),
        since_unix_ms: 7,
        pid: 42,
        host: "host".into(),
        function: "a function with spaces".to_owned(),
    }
}

fn key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["a", "b", "größe {x}"][..])
}

fn request() -> impl Strategy<Value = RequestRef> {
    (key(), name(), 0..30_u64).prop_map(|(key, id, min_fence)| RequestRef {
        key: key.into(),
        id,
        min_fence: Fence::new(min_fence),
        data_loss_grace: DataLossGrace {
            max_lease: Duration::from_millis(min_fence * 10),
            waits: !min_fence.is_multiple_of(5),
        },
    })
}

fn acquire() -> impl Strategy<Value = Acquire> {
    let queue = prop::option::of(prop::option::of(1..9_u64));
    (request(), 1..40_000_u64, 1..5_u32, queue, any::<bool>()).prop_map(
        |(request, ttl, fence_count, queue, likely_free)| Acquire {
            request,
            ttl: Duration::from_millis(ttl),
            owner: owner_info(),
            inbox: "inbox".into(),
            fence_count,
            likely_free,
            enqueue: queue.map(|ticket| Enqueue { ticket, lease: WAITER_LEASE }),
        },
    )
}

/// Acquires that are alike, of keys that differ.
fn acquires() -> impl Strategy<Value = Vec<Acquire>> {
    prop::collection::vec(acquire(), 1..4).prop_map(|mut acquires| {
        let ttl = acquires[0].ttl;
        for (number, acquire) in acquires.iter_mut().enumerate() {
            acquire.ttl = ttl;
            acquire.request.key = ["a", "b", "c", "d"][number].into();
            acquire.fence_count = 1;
            acquire.enqueue = None;
        }
        acquires
    })
}

fn renewal() -> impl Strategy<Value = Renewal> {
    (key(), name(), prop::option::of(1..40_000_u64)).prop_map(|(key, id, ttl)| match ttl {
        Some(ttl) => Renewal::Hold {
            key: key.into(),
            id,
            fence: Fence::new(ttl),
            ttl: Duration::from_millis(ttl),
        },
        None => Renewal::Waiter { key: key.into(), id, lease: WAITER_LEASE },
    })
}

fn probe() -> impl Strategy<Value = Probe> {
    let target = prop_oneof![Just(WaitTarget::Key), name().prop_map(WaitTarget::Section)];
    (name(), prop::collection::vec(name(), 0..3), target, key()).prop_map(
        |(id, chain, target, key)| Probe {
            id,
            chain,
            target,
            key: key.to_owned(),
            waited: WAITER_LEASE,
            owner: owner_info(),
        },
    )
}

fn open_tokens() -> impl Strategy<Value = OpenTokens> {
    (0..16_384_u16, 0..9_u64, any::<bool>(), prop::collection::vec(any::<u32>(), 0..4)).prop_map(
        |(slot, floor, is_lost, living)| OpenTokens {
            slot: Slot::new(slot).expect("a slot"),
            floor: Fence::new(floor),
            max_lease: WAITER_LEASE,
            grace: Some(Duration::from_millis(floor)),
            is_lost,
            living: living.into_iter().map(Mark::from).collect(),
        },
    )
}

/// Any call.
pub fn any_call() -> impl Strategy<Value = Command> {
    let seconds = || (0..3_u64).prop_map(Duration::from_secs);
    prop_oneof![
        4 => acquire().prop_map(Command::Acquire),
        2 => acquires().prop_map(Command::AcquireAll),
        2 => (request(), any::<bool>(), seconds()).prop_map(|(request, contended, keep)| {
            Command::Release { request, contended, keep }
        }),
        1 => (request(), 0..9_u64, seconds(), seconds()).prop_map(
            |(request, fence, tombstone, keep)| {
                Command::Cancel { request, fence: Fence::new(fence), tombstone, keep }
            },
        ),
        2 => prop::collection::vec(renewal(), 0..4).prop_map(Command::Renew),
        1 => (key(), 0..5_u32).prop_map(|(key, limit)| Command::Inspect { key: key.into(), limit }),
        1 => (0..3_u64).prop_map(|from| Command::Scan { space: Keyspace::new("lock:"), from }),
        2 => probe().prop_map(Command::Probe),
        1 => (name(), probe(), prop::option::of(any::<u64>())).prop_map(|(section, probe, count)| {
            let Probe { id, target, key, owner, .. } = probe;
            let wait = |count| RegisteredWait { count, target, key: key.into(), owner };
            Command::Register { section, id, wait: count.map(wait) }
        }),
        1 => key().prop_map(|key| Command::LookAtHold(key.into())),
        1 => name().prop_map(Command::LookAtSection),
        1 => (2..40_u64).prop_map(|seconds| Command::RaiseMaxLease(Duration::from_secs(seconds))),
        1 => (1..4_u32).prop_map(|replicas| Command::Wait { replicas, limit: WAITER_LEASE }),
        1 => Just(Command::CountReplicas),
        1 => (0..16_384_u16).prop_map(|slot| Command::Subscribe(Slot::new(slot).expect("a slot"))),
        1 => open_tokens().prop_map(Command::Open),
        1 => acquire().prop_map(|acquire| Command::Asking(Box::new(Command::Acquire(acquire)))),
    ]
}
