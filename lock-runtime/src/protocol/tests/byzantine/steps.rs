use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::protocol::connection::ConnectErrorKind;
use crate::wire::reply::RawReply;
use crate::wire::tests::answers::{any_answer, any_text};
use crate::wire::tests::mutation::{Mutation, any_mutation};

/// One thing that happens; requests and calls by where they stand among those there are.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Request(RequestDraft),
    RequestAll(RequestDraft, u8),
    Replace(Index, RequestDraft),
    End(Index),
    EndAll,
    Lengthen(Index, u16),
    HandedOn(Index),
    Watch(Index),
    Unwatch(Index),
    Reply(Index, Said),
    /// The reply to a call that was answered before, or never made.
    ReplyAgain(Index, RawReply),
    Granted(Index, u8, u32),
    Message(String),
    Connect,
    Disconnect,
    ConnectFailed(ConnectErrorKind),
    Later(u16),
}

/// The parameters of a request.
#[derive(Clone, Debug)]
pub(crate) struct RequestDraft {
    pub(crate) ttl: u16,
    pub(crate) wait: Option<u16>,
    pub(crate) max_hold: Option<u16>,
    pub(crate) queue: bool,
    pub(crate) renew: bool,
    pub(crate) fence_count: u32,
}

/// What a call is answered by.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    /// The answer of a correct server.
    Truth,
    /// The same with one thing changed.
    Changed(Mutation),
    /// What it would have said to another call.
    Astray(Index),
    Answer(RawReply),
    /// A grant, even if another request holds the lock.
    Granted(u32),
    Error(u8),
}

fn draft() -> impl Strategy<Value = RequestDraft> {
    let times = (300..40_000_u16, prop::option::of(0..9_000_u16), prop::option::of(0..9_000_u16));
    (times, prop::bool::weighted(0.7), any::<bool>(), 1..5_u32).prop_map(
        |((ttl, wait, max_hold), queue, renew, fence_count)| RequestDraft {
            ttl,
            wait,
            max_hold,
            queue,
            renew,
            fence_count,
        },
    )
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        4 => Just(Said::Truth),
        3 => any_mutation().prop_map(Said::Changed),
        1 => any::<Index>().prop_map(Said::Astray),
        2 => any_answer().prop_map(Said::Answer),
        3 => (1..40_u32).prop_map(Said::Granted),
        2 => (0..6_u8).prop_map(Said::Error),
    ]
}

/// What callers, the network and time do.
fn others() -> impl Strategy<Value = Step> {
    let at = any::<Index>;
    prop_oneof![
        4 => draft().prop_map(Step::Request),
        1 => (draft(), 1..4_u8).prop_map(|(draft, count)| Step::RequestAll(draft, count)),
        1 => (at(), draft()).prop_map(|(which, draft)| Step::Replace(which, draft)),
        2 => at().prop_map(Step::End),
        1 => (at(), 300..60_000_u16).prop_map(|(which, ttl)| Step::Lengthen(which, ttl)),
        1 => at().prop_map(Step::HandedOn),
        1 => at().prop_map(Step::Watch),
        1 => at().prop_map(Step::Unwatch),
        4 => Just(Step::Connect),
        4 => (0..200_u16).prop_map(Step::Later),
        3 => (0..4_000_u16).prop_map(Step::Later),
    ]
}

/// A server that says what is true, and callers of all kinds.
pub(crate) fn honest_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => others(),
        3 => any::<Index>().prop_map(|which| Step::Reply(which, Said::Truth)),
    ]
}

/// Anything.
pub(crate) fn any_step() -> impl Strategy<Value = Step> {
    let at = any::<Index>;
    prop_oneof![
        20 => others(),
        16 => (at(), said()).prop_map(|(which, said)| Step::Reply(which, said)),
        1 => (at(), any_answer()).prop_map(|(which, answer)| Step::ReplyAgain(which, answer)),
        3 => (at(), 0..40_u8, 0..5_u32)
            .prop_map(|(which, first, size)| Step::Granted(which, first, size)),
        1 => any_text().prop_map(Step::Message),
        1 => Just(Step::EndAll),
        1 => Just(Step::Disconnect),
        1 => select(vec![
            ConnectErrorKind::Unreachable,
            ConnectErrorKind::Permanent,
        ])
        .prop_map(Step::ConnectFailed),
    ]
}
