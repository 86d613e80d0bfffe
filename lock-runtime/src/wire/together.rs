//! Calls about different locks that have nothing to do with each other, said in one.

use crate::types::fence::Fence;
use crate::wire::call::{Acquire, Give};
use crate::wire::keyspace::Keyspace;
use crate::wire::reply::{Answer, Grant, block};
use crate::wire::script::{Invocation, Script};

/// As many calls as one script answers: keeps the server's other clients waiting for well under a millisecond.
pub const MOST_TOGETHER: usize = 100;

/// What became of one of the calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Together<T> {
    /// It was done.
    Done(T),
    /// Nothing was done: it is to be sent alone.
    Alone,
}

/// Acquires of different keys that are expected to be free, by one process.
#[must_use]
pub fn acquire_together(asks: &[&Acquire], space: &Keyspace) -> Invocation {
    let mut words = Invocation::new(Script::AcquireTogether);
    for ask in asks {
        words = words.key(space.names(&ask.give.key).hold());
    }
    let floor = asks.iter().map(|ask| ask.give.floor).max().unwrap_or(Fence::ZERO);
    let inbox = asks.first().map_or("-", |ask| &*ask.inbox);
    let mut words = words.key(space.fence()).arg(floor).arg(inbox);
    for ask in asks {
        let Acquire { give, ttl, who, block, .. } = ask;
        words = words.arg(give.nonce).arg(ttl.as_millis()).arg(block).arg(who);
    }
    words
}

/// Releases of holds that nobody is expected to wait for.
#[must_use]
pub fn release_together(gives: &[&Give], space: &Keyspace) -> Invocation {
    let mut words = Invocation::new(Script::ReleaseTogether);
    for give in gives {
        words = words.key(space.names(&give.key).hold());
    }
    gives.iter().fold(words, |words, give| words.arg(give.nonce))
}

/// What the server said to [`acquire_together`]; `None` if that makes no sense.
#[must_use]
pub fn acquired_together(asks: &[&Acquire], answer: &Answer) -> Option<Vec<Together<Grant>>> {
    let answers = answer.list().filter(|answers| answers.len() == asks.len())?;
    let one = |(ask, answer): (&&Acquire, &Answer)| match answer.count()? {
        0 => Some(Together::Alone),
        first => {
            let fences = block(first, ask.block)?;
            Some(Together::Done(Grant { fences, waited_for: false }))
        }
    };
    asks.iter().zip(answers).map(one).collect()
}

/// What the server said to [`release_together`]: whether each nonce held its lock.
#[must_use]
pub fn released_together(releases: usize, answer: &Answer) -> Option<Vec<Together<bool>>> {
    let answers = answer.list().filter(|answers| answers.len() == releases)?;
    let one = |answer: &Answer| match answer.count()? {
        0 => Some(Together::Done(false)),
        1 => Some(Together::Done(true)),
        2 => Some(Together::Alone),
        _ => None,
    };
    answers.iter().map(one).collect()
}
