//! Calls about few keys by few requests, so that they meet.

use std::time::Duration;

use proptest::prelude::*;

use crate::types::fence::Fence;
use crate::types::owner_info::OwnerInfo;
use crate::types::request_id::Nonce;
use crate::wire::bound::Quarantine;
use crate::wire::call::{Acquire, Call, Enqueue, Give, Renewal, WAITER_LEASE};
use crate::wire::probe::{Probe, Target};

/// One of few requests.
pub fn name() -> impl Strategy<Value = Nonce> {
    (0..5_u128).prop_map(|number| Nonce::from_bits(number << 121 | number))
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

fn give() -> impl Strategy<Value = Give> {
    (key(), name(), 0..30_u64).prop_map(|(key, nonce, floor)| Give {
        key: key.into(),
        nonce,
        floor: Fence::new(floor),
        quarantine: Quarantine {
            bound: Duration::from_millis(floor * 10),
            waits: !floor.is_multiple_of(5),
        },
    })
}

fn acquire() -> impl Strategy<Value = Acquire> {
    let queue = prop::option::of(prop::option::of(1..9_u64));
    (give(), 1..40_000_u64, 1..5_u32, queue, any::<bool>()).prop_map(
        |(give, ttl, block, queue, expects_free)| Acquire {
            give,
            ttl: Duration::from_millis(ttl),
            who: owner_info(),
            inbox: "inbox".into(),
            block,
            expects_free,
            enqueue: queue.map(|ticket| Enqueue { ticket, lease: WAITER_LEASE }),
        },
    )
}

/// Acquires of keys that differ.
fn acquires() -> impl Strategy<Value = Vec<Acquire>> {
    prop::collection::vec(acquire(), 1..4).prop_map(|mut asks| {
        for (number, ask) in asks.iter_mut().enumerate() {
            ask.give.key = ["a", "b", "c", "d"][number].into();
            ask.block = 1;
            ask.enqueue = None;
        }
        asks
    })
}

fn renewal() -> impl Strategy<Value = Renewal> {
    (key(), name(), prop::option::of(1..40_000_u64)).prop_map(|(key, nonce, ttl)| match ttl {
        Some(ttl) => Renewal::Hold { key: key.into(), nonce, ttl: Duration::from_millis(ttl) },
        None => Renewal::Waiter { key: key.into(), nonce, lease: WAITER_LEASE },
    })
}

fn probe() -> impl Strategy<Value = Probe> {
    let target = prop_oneof![Just(Target::Key), name().prop_map(Target::Section)];
    (name(), prop::collection::vec(name(), 0..3), target, key()).prop_map(
        |(id, chain, target, key)| Probe {
            id,
            chain,
            target,
            key: key.to_owned(),
            waited: WAITER_LEASE,
            who: owner_info(),
        },
    )
}

/// Any call.
pub fn any_call() -> impl Strategy<Value = Call> {
    let tombstone = (0..3_u64).prop_map(Duration::from_secs);
    prop_oneof![
        4 => acquire().prop_map(Call::Acquire),
        2 => acquires().prop_map(Call::AcquireAll),
        1 => give().prop_map(Call::Free),
        1 => give().prop_map(Call::Release),
        1 => (give(), tombstone).prop_map(|(give, tombstone)| Call::Cancel { give, tombstone }),
        2 => prop::collection::vec(renewal(), 0..4).prop_map(Call::Renew),
        1 => (key(), 0..5_u32).prop_map(|(key, limit)| Call::Inspect { key: key.into(), limit }),
        2 => probe().prop_map(Call::Probe),
        1 => (2..40_u64).prop_map(|seconds| Call::Raise(Duration::from_secs(seconds))),
    ]
}
