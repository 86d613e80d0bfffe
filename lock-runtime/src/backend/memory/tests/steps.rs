//! The steps of a random sequence.
//!
//! All spans are chosen so that no sum of [`UNIT`]s comes near the end of one: the milliseconds
//! that really pass during a sequence cannot decide what has expired. The constant lease of a
//! waiter (2 s) and of the queue (4 s) are 1.67 and 3.33 units, the other spans end in half a unit.
//! A registered request is fresh for 1.25 units, which no sum of units tells from its lease;
//! `cycles` does.

use std::time::Duration;

use proptest::prelude::*;

use crate::backend::memory::tests::parity::{DEAD, LIVE};
use crate::types::fence::Fence;

pub(crate) const UNIT: Duration = Duration::from_millis(1_200);
pub(crate) const NONCES: u8 = 4;
/// Stands for whichever request holds the key.
pub(crate) const HOLDER: u8 = NONCES;

/// One step; keys and requests by number.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Acquire {
        owner: Who,
        ttl: Span,
        fence_count: u32,
        queue: Option<Queue>,
    },
    AcquireAll(Vec<Who>, Span),
    Release {
        owner: Who,
        keep: Option<Span>,
    },
    Cancel {
        owner: Who,
        /// Under the token that the key is held with.
        knows_fence: bool,
        tombstone: Option<Span>,
        keep: Option<Span>,
    },
    ForceRelease {
        key: u8,
        /// Under the token that the key is held with.
        knows_fence: bool,
        tombstone: Option<Span>,
    },
    Renew(Vec<Entry>),
    Inspect {
        key: u8,
        limit: u32,
    },
    /// One after the other, so that they meet before they are over.
    Probe(Vec<Asking>),
    Pass {
        units: u32,
    },
    Flush,
    /// The slot is being migrated during the next call, on a node that has another one beside it.
    OpenSlot,
    PutForeign {
        key: u8,
    },
    PutLockOfOthers {
        key: u8,
        ttl: Span,
    },
    Open {
        min_fence: Floor,
        longest: Span,
        lost: bool,
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Who {
    pub(crate) key: u8,
    pub(crate) id: u8,
    pub(crate) min_fence: Floor,
    pub(crate) longest: Span,
    pub(crate) waits: bool,
}

/// How much its client has seen of the tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Floor {
    Nothing,
    Everything,
    /// More than the server has issued: it must have lost data.
    More,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Span {
    Short,
    Middle,
    Long,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Queue {
    pub(crate) inbox: &'static str,
    pub(crate) with_ticket: bool,
}

/// A request that waits inside sections. Sections and the requests that hold keys have the same
/// numbers.
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    pub(crate) number: u8,
    pub(crate) chain: Vec<u8>,
    pub(crate) key: u8,
    /// The section that it waits for, if not for the one that holds the key.
    pub(crate) section: Option<u8>,
    pub(crate) waited: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Entry {
    /// Under the token that the key is held with, if that is known.
    Hold {
        key: u8,
        id: u8,
        ttl: Span,
        knows_fence: bool,
    },
    Waiter {
        key: u8,
        id: u8,
    },
}

impl Span {
    pub(crate) fn duration(self) -> Duration {
        match self {
            Self::Short => UNIT * 3 / 2,
            Self::Middle => UNIT * 9 / 2,
            Self::Long => UNIT * 25 / 2,
        }
    }
}

impl Floor {
    pub(crate) fn of(self, seen: Fence) -> Fence {
        match self {
            Self::Nothing => Fence::ZERO,
            Self::Everything => seen,
            Self::More => Fence::new(seen.get() + 20),
        }
    }
}

pub(crate) fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        60 => (any_who(), any_span(), any_block(), any_queue())
            .prop_map(|(owner, ttl, fence_count, queue)| {
                Step::Acquire { owner, ttl, fence_count, queue }
            }),
        20 => (any_group(), any_span()).prop_map(|(asks, ttl)| Step::AcquireAll(asks, ttl)),
        20 => (any_who(), any_releaser(), perhaps_span())
            .prop_map(|(owner, id, keep)| Step::Release { owner: Who { id, ..owner }, keep }),
        8 => (any_who(), any::<bool>(), perhaps_span(), perhaps_span())
            .prop_map(|(owner, knows_fence, tombstone, keep)| {
                Step::Cancel { owner, knows_fence, tombstone, keep }
            }),
        4 => (any_key(), prop::bool::weighted(0.9), perhaps_span())
            .prop_map(|(key, knows_fence, tombstone)| {
                Step::ForceRelease { key, knows_fence, tombstone }
            }),
        20 => prop::collection::vec(any_entry(), 0..5).prop_map(Step::Renew),
        8 => (any_key(), 0..4_u32).prop_map(|(key, limit)| Step::Inspect { key, limit }),
        20 => prop::collection::vec(any_asking(), 1..7).prop_map(Step::Probe),
        20 => prop_oneof![6 => Just(1), 1 => 2..14_u32].prop_map(|units| Step::Pass { units }),
        1 => Just(Step::Flush),
        40 => Just(Step::OpenSlot),
        1 => any_key().prop_map(|key| Step::PutForeign { key }),
        1 => (any_key(), any_span()).prop_map(|(key, ttl)| Step::PutLockOfOthers { key, ttl }),
        1 => (any_floor(), any_span(), any::<bool>())
            .prop_map(|(min_fence, longest, lost)| Step::Open { min_fence, longest, lost }),
    ]
}

fn any_who() -> impl Strategy<Value = Who> {
    (any_key(), any_nonce(), any_floor(), any_span(), prop::bool::weighted(0.9))
        .prop_map(|(key, id, min_fence, longest, waits)| Who { key, id, min_fence, longest, waits })
}

/// Requests for one key or for both.
fn any_group() -> impl Strategy<Value = Vec<Who>> {
    let asks = prop::collection::vec(any_who(), 1..=2);
    (asks, any_key()).prop_map(|(asks, first)| {
        let keys = [first, 1 - first];
        asks.into_iter().zip(keys).map(|(owner, key)| Who { key, ..owner }).collect()
    })
}

fn any_key() -> impl Strategy<Value = u8> {
    prop_oneof![3 => Just(0), 1 => Just(1)]
}

fn any_nonce() -> impl Strategy<Value = u8> {
    prop_oneof![3 => 0..NONCES, 1 => Just(HOLDER)]
}

fn any_releaser() -> impl Strategy<Value = u8> {
    prop_oneof![1 => 0..NONCES, 4 => Just(HOLDER)]
}

fn any_floor() -> impl Strategy<Value = Floor> {
    prop_oneof![60 => Just(Floor::Nothing), 60 => Just(Floor::Everything), 1 => Just(Floor::More)]
}

fn any_span() -> impl Strategy<Value = Span> {
    prop_oneof![Just(Span::Short), Just(Span::Middle), Just(Span::Long)]
}

fn perhaps_span() -> impl Strategy<Value = Option<Span>> {
    prop::option::weighted(0.3, any_span())
}

fn any_block() -> impl Strategy<Value = u32> {
    prop_oneof![Just(1), Just(9), Just(16), Just(17), Just(400)]
}

fn any_queue() -> impl Strategy<Value = Option<Queue>> {
    let inbox = prop_oneof![3 => Just(LIVE[0]), 3 => Just(LIVE[1]), 1 => Just(DEAD)];
    let queue = (inbox, any::<bool>());
    prop::option::weighted(0.8, queue.prop_map(|(inbox, with_ticket)| Queue { inbox, with_ticket }))
}

fn any_asking() -> impl Strategy<Value = Asking> {
    let chain = prop::collection::vec(0..NONCES, 0..=2);
    let section = prop::option::weighted(0.4, 0..NONCES);
    (0..6_u8, chain, any_key(), section, 0..3_u32).prop_map(
        |(number, chain, key, section, waited)| Asking { number, chain, key, section, waited },
    )
}

fn any_entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        (any_key(), any_nonce(), any_span(), prop::bool::weighted(0.8))
            .prop_map(|(key, id, ttl, knows_fence)| Entry::Hold { key, id, ttl, knows_fence }),
        (any_key(), 0..NONCES).prop_map(|(key, id)| Entry::Waiter { key, id }),
    ]
}
