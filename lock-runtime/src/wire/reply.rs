//! The replies, read with suspicion: whatever the server says, nothing that was not granted becomes a hold.

use std::time::Duration;

use crate::types::fence::{Fence, FenceBlock};
use crate::types::owner_info::{Holder, OwnerInfo};
use crate::types::request_id::Nonce;
use crate::wire::bound::bound_for;
use crate::wire::call::{Acquire, Call, LARGEST_BLOCK};
use crate::wire::probe::Probed;

/// A server's reply before it is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// An integer.
    Int(i64),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Answer>),
    /// Anything else.
    Other,
}

/// What the server said to a [`Call`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To [`Call::Acquire`].
    Acquire(AcquireReply),
    /// To [`Call::AcquireAll`]: a token for each in their order; `None`: not all at once, and nothing was done.
    AcquiredAll(Option<FenceBlock>),
    /// To [`Call::Free`], [`Call::Release`] and [`Call::Cancel`]: whether the nonce held the lock.
    Ended(bool),
    /// To [`Call::Renew`], an answer for each entry.
    Renewed(Vec<RenewalReply>),
    /// To [`Call::Raise`].
    Raised,
    /// To [`Call::Inspect`].
    Inspection(Inspection),
    /// To [`Call::Probe`].
    Probed(Probed),
}

/// What came of an acquire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AcquireReply {
    /// The lock is this nonce's, with the full TTL from now.
    Granted(Grant),
    /// It is not.
    Busy(Busy),
    /// The nonce was cancelled before.
    Cancelled,
}

/// What a nonce was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its fencing tokens.
    pub fences: FenceBlock,
    /// Whether somebody may wait for the lock already.
    pub waited_for: bool,
}

/// What the server tells a process without being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The lock is this nonce's: the holder before let go.
    Granted(Nonce, FenceBlock),
    /// Another waits for what this nonce holds.
    Asked(Nonce),
    /// Some process is granted leases of up to this length from now on.
    Bound(Duration),
    /// This nonce waits first, behind a hold that ends in so long unless it is renewed.
    First(Nonce, Duration),
}

/// Why a lock could not be had at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Busy {
    /// What stands in the way.
    pub obstacle: Obstacle,
    /// When that ends by itself, if it does.
    pub left: Option<Duration>,
    /// How many wait before this request.
    pub ahead: u64,
    /// The place drawn in the queue.
    pub ticket: Option<u64>,
}

impl Busy {
    /// Others come first; more is not known.
    #[must_use]
    pub const fn by_others() -> Self {
        Self { obstacle: Obstacle::Holder(None), left: None, ahead: 0, ticket: None }
    }
}

/// What stands between a request and its lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Another hold, or (without one) waiters that come first.
    Holder(Option<Box<Holder>>),
    /// A key of that name that is not a lock.
    KeyConflict,
    /// The server lost its data; holds granted before may still be valid in their processes.
    DataLoss,
}

/// What became of one entry of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenewalReply {
    /// The hold has its full TTL again.
    Renewed,
    /// The same, and somebody may wait for it.
    RenewedAndWaitedFor,
    /// The hold is not this nonce's any more.
    Gone,
    /// The waiter keeps its place; the holder's TTL, if it has one.
    Waiting(Option<Duration>),
    /// Something changed: ask with an acquire.
    Ask,
}

/// The state of one lock at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Who holds it.
    pub holder: Option<Holder>,
    /// Whether a key that is not a lock stands under its name.
    pub foreign: bool,
    /// When the hold ends unless it is renewed.
    pub left: Option<Duration>,
    /// How many wait.
    pub waiting: u64,
    /// The first of those who wait, in their order.
    pub waiters: Vec<Waiter>,
}

/// One of those who wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiter {
    /// The name of its request.
    pub nonce: Nonce,
    /// Who it is.
    pub who: OwnerInfo,
}

/// Reads an [`Answer`] as the reply to a call.
pub trait Decode {
    /// The reply, or a description of what is wrong with the answer.
    fn decode(&self, answer: Answer) -> Result<Reply, String>;
}

impl Decode for Call {
    fn decode(&self, answer: Answer) -> Result<Reply, String> {
        let wrong = format!("unexpected reply to {}: {answer:?}", self.verb());
        let reply = match self {
            Self::Acquire(ask) => acquire(ask, &answer).map(Reply::Acquire),
            Self::AcquireAll(asks) => acquired_all(asks, &answer),
            Self::Free(_) | Self::Release(_) | Self::Cancel { .. } => {
                ended(&answer).map(Reply::Ended)
            }
            Self::Renew(entries) => renewed(entries, &answer).map(Reply::Renewed),
            Self::Raise(_) => answer.text().map(|_| Reply::Raised),
            Self::Inspect { .. } => inspection(&answer).map(Reply::Inspection),
            Self::Probe(probe) => probe.decode(&answer).map(Reply::Probed),
        };
        reply.ok_or(wrong)
    }
}

impl Call {
    const fn verb(&self) -> &'static str {
        match self {
            Self::Acquire(_) => "acquire",
            Self::AcquireAll(_) => "acquire all",
            Self::Free(_) | Self::Release(_) => "release",
            Self::Cancel { .. } => "cancel",
            Self::Renew(_) => "renew",
            Self::Raise(_) => "raise",
            Self::Inspect { .. } => "inspect",
            Self::Probe(_) => "probe",
        }
    }
}

/// Reads a message of this process's inbox: `granted`, nonce, first token and size of the block; `asked` and nonce; or `first`,
/// nonce and ms. Or of everybody's: `bound` and ms.
#[must_use]
pub fn parse_notice(payload: &str) -> Option<Notice> {
    let words: Vec<&str> = payload.split(' ').collect();
    match words[..] {
        ["granted", nonce, first, size] => {
            let fences = block(first.parse().ok()?, size.parse().ok()?)?;
            Some(Notice::Granted(Nonce::parse(nonce)?, fences))
        }
        ["asked", nonce] => Some(Notice::Asked(Nonce::parse(nonce)?)),
        ["bound", ms] => Some(Notice::Bound(bound_for(Duration::from_millis(ms.parse().ok()?)))),
        ["first", nonce, ms] => {
            let left = Duration::from_millis(ms.parse().ok()?);
            Some(Notice::First(Nonce::parse(nonce)?, left))
        }
        _ => None,
    }
}

/// A block that a server may have given: neither empty nor larger than what is ever asked for.
pub(crate) fn block(first: u64, size: u32) -> Option<FenceBlock> {
    let plausible = first > 0 && first < 1 << 53 && (1..=LARGEST_BLOCK).contains(&size);
    plausible.then(|| FenceBlock::new(Fence::new(first), size))
}

impl Answer {
    pub(crate) fn int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn count(&self) -> Option<u64> {
        self.int().and_then(|number| u64::try_from(number).ok())
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }
}

fn acquire(ask: &Acquire, answer: &Answer) -> Option<AcquireReply> {
    if let Some(first) = answer.count() {
        let fences = block(first, ask.block)?;
        return Some(AcquireReply::Granted(Grant { fences, waited_for: false }));
    }
    let [code, pttl, ahead, ticket, holder] = answer.list()? else {
        return granted(answer.list()?).map(AcquireReply::Granted);
    };
    let obstacle = match code.int()? {
        0 => Obstacle::Holder(Holder::parse(holder.text()?).map(Box::new)),
        1 => Obstacle::KeyConflict,
        2 => return Some(AcquireReply::Cancelled),
        3 => Obstacle::DataLoss,
        _ => return None,
    };
    let ticket = ticket.text()?.parse().ok().filter(|&ticket: &u64| ticket > 0);
    let busy = Busy { obstacle, left: left(pttl.int()?), ahead: ahead.count()?, ticket };
    Some(AcquireReply::Busy(busy))
}

fn acquired_all(asks: &[Acquire], answer: &Answer) -> Option<Reply> {
    match answer.count()? {
        0 => Some(Reply::AcquiredAll(None)),
        first => {
            let fences = block(first, u32::try_from(asks.len()).ok()?)?;
            Some(Reply::AcquiredAll(Some(fences)))
        }
    }
}

fn granted(words: &[Answer]) -> Option<Grant> {
    let [Answer::Int(4), first, size, waited_for] = words else { return None };
    let fences = block(first.count()?, u32::try_from(size.count()?).ok()?)?;
    Some(Grant { fences, waited_for: waited_for.int()? == 1 })
}

/// A PTTL in ms: negative where there is none.
fn left(ms: i64) -> Option<Duration> {
    u64::try_from(ms).ok().map(Duration::from_millis)
}

fn ended(answer: &Answer) -> Option<bool> {
    match answer.int()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn renewed(entries: &[crate::wire::call::Renewal], answer: &Answer) -> Option<Vec<RenewalReply>> {
    let answers = answer.list()?;
    if answers.len() != entries.len() {
        return None;
    }
    entries.iter().zip(answers).map(|(entry, answer)| renewal(entry, answer)).collect()
}

fn renewal(entry: &crate::wire::call::Renewal, answer: &Answer) -> Option<RenewalReply> {
    match (entry, answer.int()?) {
        (crate::wire::call::Renewal::Hold { .. }, 1) => Some(RenewalReply::Renewed),
        (crate::wire::call::Renewal::Hold { .. }, 2) => Some(RenewalReply::RenewedAndWaitedFor),
        (crate::wire::call::Renewal::Hold { .. }, 0) => Some(RenewalReply::Gone),
        (crate::wire::call::Renewal::Hold { .. }, _) => None,
        (crate::wire::call::Renewal::Waiter { .. }, ms) if ms < 0 => Some(RenewalReply::Ask),
        (crate::wire::call::Renewal::Waiter { .. }, ms) => Some(RenewalReply::Waiting(left(ms))),
    }
}

fn inspection(answer: &Answer) -> Option<Inspection> {
    let [value, pttl, waiting, rest @ ..] = answer.list()? else {
        return None;
    };
    let waiters = rest.chunks(2).map(|pair| waiter(pair.first()?, pair.get(1)?));
    Some(Inspection {
        holder: Holder::parse(value.text()?),
        foreign: value.text()? == "?",
        left: left(pttl.int()?),
        waiting: waiting.count()?,
        waiters: waiters.collect::<Option<_>>()?,
    })
}

fn waiter(nonce: &Answer, entry: &Answer) -> Option<Waiter> {
    let mut words = entry.text()?.splitn(5, ' ');
    let description = words.nth(4)?;
    Some(Waiter { nonce: Nonce::parse(nonce.text()?)?, who: OwnerInfo::parse(description)? })
}
