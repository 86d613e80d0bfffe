//! Batches: commands about unrelated locks in one script call.

use crate::types::fence::Fence;
use crate::wire::command::{Acquire, RequestRef};
use crate::wire::keyspace::Keyspace;
use crate::wire::raw_reply::RawReply;
use crate::wire::reply::{Grant, fence_range};
use crate::wire::script::{Script, ScriptCall};

/// As many calls as one script answers: keeps the server's other clients waiting for well under a
/// millisecond.
pub const MAX_BATCH: usize = 100;

/// The outcome of one command of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchItem<T> {
    /// Done.
    Done(T),
    /// Nothing was done: send it alone.
    Retry,
}

/// Acquires of different keys that are presumably free, by one process.
#[must_use]
pub fn acquire_batch(acquires: &[&Acquire], space: &Keyspace) -> ScriptCall {
    let mut words = ScriptCall::new(Script::AcquireBatch);
    for acquire in acquires {
        words = words.key(space.names(&acquire.request.key).hold());
    }
    let min_fence =
        acquires.iter().map(|acquire| acquire.request.min_fence).max().unwrap_or(Fence::ZERO);
    let inbox = acquires.first().map_or("-", |acquire| &*acquire.inbox);
    let mut words = words.key(space.fence()).arg(min_fence).arg(inbox);
    for acquire in acquires {
        let Acquire { request, ttl, owner, fence_count, .. } = acquire;
        words = words.arg(request.id).arg(ttl.as_millis()).arg(fence_count).arg(owner);
    }
    words
}

/// Releases of holds that are presumably uncontended.
#[must_use]
pub fn release_batch(requests: &[&RequestRef], space: &Keyspace) -> ScriptCall {
    let mut words = ScriptCall::new(Script::ReleaseBatch);
    for request in requests {
        words = words.key(space.names(&request.key).hold());
    }
    requests.iter().fold(words, |words, request| words.arg(request.id))
}

/// Decodes the reply to [`acquire_batch`]; `None` if it is invalid.
#[must_use]
pub fn acquired_batch(acquires: &[&Acquire], answer: &RawReply) -> Option<Vec<BatchItem<Grant>>> {
    let answers = answer.list().filter(|answers| answers.len() == acquires.len())?;
    let one = |(acquire, answer): (&&Acquire, &RawReply)| match answer.count()? {
        0 => Some(BatchItem::Retry),
        first => {
            let fences = fence_range(first, acquire.fence_count)?;
            Some(BatchItem::Done(Grant { fences, contended: false }))
        }
    };
    acquires.iter().zip(answers).map(one).collect()
}

/// Decodes the reply to [`release_batch`]: whether each request held its lock.
#[must_use]
pub fn released_batch(releases: usize, answer: &RawReply) -> Option<Vec<BatchItem<bool>>> {
    let answers = answer.list().filter(|answers| answers.len() == releases)?;
    let one = |answer: &RawReply| match answer.count()? {
        0 => Some(BatchItem::Done(false)),
        1 => Some(BatchItem::Done(true)),
        2 => Some(BatchItem::Retry),
        _ => None,
    };
    answers.iter().map(one).collect()
}
