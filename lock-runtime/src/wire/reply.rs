//! The replies to the commands, and how they are decoded. Whatever the server sends, nothing that
//! was not granted becomes a hold.

use std::time::Duration;

use crate::types::fence::{Fence, FenceRange};
use crate::types::owner_info::{HolderInfo, OwnerInfo};
use crate::types::pause::{GrantPause, PauseReason};
use crate::types::request_id::RequestId;
use crate::wire::command::{Acquire, Command, Probe, Renewal, WaitTarget};
use crate::wire::keyspace::{Keyspace, MAX_FENCE_RANGE, Mark, lease_step_for};
use crate::wire::slot::Slot;

/// The reply to a [`Command`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To [`Command::Acquire`].
    Acquire(AcquireReply),
    /// To [`Command::AcquireAll`]: a token for each in their order; `None`: not all at once, and
    /// nothing was done.
    AcquiredAll(Option<FenceRange>),
    /// To [`Command::Release`]: whether the request held the lock. To [`Command::Cancel`]: whether
    /// it did under the token of the command. To [`Command::ForceRelease`]: whether the lock was
    /// held under that token.
    Released(bool),
    /// To [`Command::Renew`], an answer for each entry.
    Renewed(Vec<RenewalReply>),
    /// To [`Command::Reclaim`].
    Reclaimed(ReclaimReply),
    /// To [`Command::RaiseMaxLease`].
    MaxLeaseRaised,
    /// To [`Command::Wait`]: how many replicas have it.
    Acknowledged(u32),
    /// To [`Command::CountReplicas`].
    OnlineReplicas(u32),
    /// To [`Command::Inspect`].
    Inspection(LockState),
    /// To [`Command::Scan`].
    Page(Page),
    /// To [`Command::Probe`].
    Probed(ProbeReply),
    /// To [`Command::Register`].
    Registered,
    /// To [`Command::LookAtHold`].
    Holder(Option<RequestId>),
    /// To [`Command::LookAtSection`].
    Blocked(Vec<BlockedWait>),
    /// To [`Command::Subscribe`].
    Subscribed,
    /// To [`Command::Open`].
    Opened,
}

/// The outcome of an acquire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AcquireReply {
    /// Granted, with the full TTL from now on.
    Granted(Grant),
    /// Not granted.
    Busy(BusyReply),
    /// The request was cancelled before.
    Cancelled,
}

/// A granted lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its fencing tokens.
    pub fences: FenceRange,
    /// Whether other requests may wait for the lock already.
    pub contended: bool,
}

/// A pub/sub message from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notification {
    /// The lock was granted to this request when the previous holder released it.
    Granted(RequestId, FenceRange),
    /// Another process waits for the hold of this request.
    Contended(RequestId),
    /// Another process has ended the hold of this request with this first token.
    ForceReleased(RequestId, Fence),
    /// Leases of up to this length are about to be granted.
    MaxLease(Duration),
    /// This request is first in the queue, behind a hold that ends in this time unless it is
    /// renewed.
    FirstInQueue(RequestId, Duration),
    /// Notifications about the locks of this slot come no more: another node serves it.
    Unsubscribed(Slot),
}

/// Why a lock could not be had at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusyReply {
    /// Why.
    pub blocked_by: BlockedBy,
    /// When that ends by itself, if it does.
    pub left: Option<Duration>,
    /// How many requests wait before this one.
    pub ahead: u64,
    /// The ticket in the queue.
    pub ticket: Option<u64>,
}

impl BusyReply {
    /// Other requests come first; nothing else is known.
    #[must_use]
    pub const fn by_others() -> Self {
        Self { blocked_by: BlockedBy::Holder(None), left: None, ahead: 0, ticket: None }
    }
}

/// Why the lock was not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockedBy {
    /// Another hold, or without one: waiters that come first.
    Holder(Option<Box<HolderInfo>>),
    /// The key exists but is not a lock.
    KeyConflict,
    /// The server lost its data; holds granted before may still be valid in their processes.
    DataLoss,
    /// The server has failed over or restarted; holds that it lost by that may still be valid.
    Failover,
}

/// The outcome of one entry of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenewalReply {
    /// The hold has its full TTL again.
    Renewed,
    /// Renewed, and other requests may wait for it.
    RenewedContended,
    /// The request does not hold the lock any more, or does under another token.
    NotHeld,
    /// The waiter is still queued; the holder's TTL, if it has one.
    Waiting(Option<Duration>),
    /// Something changed: send an acquire.
    AcquireAgain,
}

/// The outcome of putting a hold back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReclaimReply {
    /// The server has it.
    Held,
    /// The server does not have it, and never will.
    Refused,
    /// The key has an older hold, which has ended and whose release a failover has lost. Try again.
    OlderHold,
}

/// The state of one lock at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockState {
    /// Who holds it.
    pub holder: Option<HolderInfo>,
    /// Whether the key exists but is not a lock.
    pub not_a_lock: bool,
    /// When the hold ends unless it is renewed.
    pub left: Option<Duration>,
    /// How many wait.
    pub waiting: u64,
    /// The first waiters, in order.
    pub waiters: Vec<WaiterInfo>,
    /// The master that draws tokens; `None` if there is no counter.
    pub mark: Option<Mark>,
    /// How long it grants nothing, and why.
    pub pause: Option<GrantPause>,
}

/// A step of a walk over all locks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Where to go on; zero at the end.
    pub next: u64,
    /// Keys of locks that are held, or whose hold has the name of another value.
    pub keys: Vec<String>,
}

/// A waiting request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaiterInfo {
    /// The name of its request.
    pub id: RequestId,
    /// Who it is.
    pub owner: OwnerInfo,
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeReply {
    /// The server's clock.
    pub at_us: u64,
    /// The requests that form a cycle, this one first; empty without a cycle.
    pub cycle: Vec<BlockedRequest>,
}

/// A request in a cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockedRequest {
    /// The request.
    pub id: RequestId,
    /// When it was last registered, by the server's clock.
    pub refreshed_us: u64,
    /// The key that it waits for.
    pub key: String,
    /// Who it is.
    pub owner: OwnerInfo,
}

/// A request that waits inside a section, as it is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockedWait {
    /// The request.
    pub request: BlockedRequest,
    /// The number of its latest registration, in a cluster.
    pub count: u64,
    /// What it waits for.
    pub target: WaitTarget,
}

impl Reply {
    /// Whether it grants a lock.
    pub(crate) const fn is_grant(&self) -> bool {
        matches!(self, Self::Acquire(AcquireReply::Granted(_)) | Self::AcquiredAll(Some(_)))
    }
}

impl Command {
    /// The reply that the answer is to this command, or a description of what is wrong with it.
    ///
    /// # Errors
    ///
    /// If the server cannot have answered that.
    pub fn decode(&self, answer: &RawReply) -> Result<Reply, String> {
        let reply = match self {
            Self::Acquire(acquire) => acquire_reply(acquire, answer).map(Reply::Acquire),
            Self::AcquireAll(acquires) => acquired_all(acquires, answer),
            Self::Release { .. } | Self::Cancel { .. } | Self::ForceRelease { .. } => {
                ended(answer).map(Reply::Released)
            }
            Self::Renew(entries) => renewed(entries, answer).map(Reply::Renewed),
            Self::Reclaim(..) => reclaimed(answer).map(Reply::Reclaimed),
            Self::RaiseMaxLease(_) => answer.text().map(|_| Reply::MaxLeaseRaised),
            Self::Wait { .. } => {
                answer.count().and_then(|count| u32::try_from(count).ok()).map(Reply::Acknowledged)
            }
            Self::CountReplicas => answer.text().map(online_replicas).map(Reply::OnlineReplicas),
            Self::Inspect { .. } => inspection(answer).map(Reply::Inspection),
            Self::Scan { space, .. } => page(space, answer).map(Reply::Page),
            Self::Probe(probe) => probe.decode(answer).map(Reply::Probed),
            Self::Register { .. } => answer.is(1).then_some(Reply::Registered),
            Self::LookAtHold(_) => holder(answer),
            Self::LookAtSection(_) => blocked(answer).map(Reply::Blocked),
            Self::Subscribe(_) => answer.text().map(|_| Reply::Subscribed),
            Self::Open(_) => answer.text().map(|_| Reply::Opened),
            Self::Asking(command) => return command.decode(answer),
        };
        reply.ok_or_else(|| format!("unexpected reply to {}: {answer:?}", self.verb()))
    }

    /// The replies to commands that were [sent together](Self::encode_batch), or a description of
    /// what is wrong with the answer. `None` for one that was not done: it has to go alone.
    ///
    /// # Errors
    ///
    /// If the server cannot have answered that.
    pub fn decode_batch(calls: &[&Self], answer: &RawReply) -> Result<Vec<Option<Reply>>, String> {
        let replies = match calls.first() {
            Some(Self::Acquire(first)) => acquired_each(calls.len(), first.fence_count, answer),
            _ => released_each(calls.len(), answer),
        };
        replies.ok_or_else(|| format!("unexpected reply to several commands together: {answer:?}"))
    }

    const fn verb(&self) -> &'static str {
        match self {
            Self::Acquire(_) => "acquire",
            Self::AcquireAll(_) => "acquire all",
            Self::Release { .. } => "release",
            Self::Cancel { .. } => "cancel",
            Self::ForceRelease { .. } => "force release",
            Self::Renew(_) => "renew",
            Self::Reclaim(..) => "reclaim",
            Self::RaiseMaxLease(_) => "raise",
            Self::Wait { .. } => "wait",
            Self::CountReplicas => "info replication",
            Self::Inspect { .. } => "inspect",
            Self::Scan { .. } => "scan",
            Self::Probe(_) => "probe",
            Self::Register { .. } => "register",
            Self::LookAtHold(_) => "mget",
            Self::LookAtSection(_) => "hgetall",
            Self::Subscribe(_) => "subscribe",
            Self::Open(_) => "open",
            Self::Asking(command) => command.verb(),
        }
    }
}

/// How many replicas are online, by the text of INFO: `slave0:ip=…,port=…,state=online,…`.
pub(crate) fn online_replicas(info: &str) -> u32 {
    let is_online = |line: &&str| {
        let fields = line.strip_prefix("slave").and_then(|rest| rest.split_once(':'));
        fields.is_some_and(|(number, fields)| {
            number.parse::<u32>().is_ok() && fields.split(',').any(|field| field == "state=online")
        })
    };
    u32::try_from(info.lines().filter(is_online).count()).unwrap_or(u32::MAX)
}

/// Decodes a pub/sub message. To one process: `granted`, request id, first token and number of
/// tokens; `asked` and request id; `first`, request id and ms; or `released`, request id and first
/// token. To all processes: `bound` and ms.
#[must_use]
pub fn parse_notification(payload: &str) -> Option<Notification> {
    let words: Vec<&str> = payload.split(' ').collect();
    match words[..] {
        ["granted", id, first, size] => {
            let fences = fence_range(first.parse().ok()?, size.parse().ok()?)?;
            Some(Notification::Granted(RequestId::parse(id)?, fences))
        }
        ["asked", id] => Some(Notification::Contended(RequestId::parse(id)?)),
        ["released", id, first] => {
            let FenceRange { first, .. } = fence_range(first.parse().ok()?, 1)?;
            Some(Notification::ForceReleased(RequestId::parse(id)?, first))
        }
        ["bound", ms] => {
            Some(Notification::MaxLease(lease_step_for(Duration::from_millis(ms.parse().ok()?))))
        }
        ["first", id, ms] => {
            let left = Duration::from_millis(ms.parse().ok()?);
            Some(Notification::FirstInQueue(RequestId::parse(id)?, left))
        }
        _ => None,
    }
}

/// A range that a server may have issued: neither empty nor larger than ever requested.
pub(crate) fn fence_range(first: u64, size: u32) -> Option<FenceRange> {
    let plausible = first > 0 && first < 1 << 53 && (1..=MAX_FENCE_RANGE).contains(&size);
    plausible.then(|| FenceRange::new(Fence::new(first), size))
}

fn acquire_reply(acquire: &Acquire, answer: &RawReply) -> Option<AcquireReply> {
    if let Some(first) = answer.count() {
        let fences = fence_range(first, acquire.fence_count)?;
        return Some(AcquireReply::Granted(Grant { fences, contended: false }));
    }
    let [code, pttl, ahead, ticket, holder] = answer.list()? else {
        return granted(answer.list()?).map(AcquireReply::Granted);
    };
    let blocked_by = match code.int()? {
        0 => BlockedBy::Holder(HolderInfo::parse(holder.text()?).map(Box::new)),
        1 => BlockedBy::KeyConflict,
        2 => return Some(AcquireReply::Cancelled),
        3 => BlockedBy::DataLoss,
        5 => BlockedBy::Failover,
        _ => return None,
    };
    let ticket = ticket.text()?.parse().ok().filter(|&ticket: &u64| ticket > 0);
    let busy = BusyReply { blocked_by, left: left(pttl.int()?), ahead: ahead.count()?, ticket };
    Some(AcquireReply::Busy(busy))
}

fn granted(words: &[RawReply]) -> Option<Grant> {
    let [RawReply::Int(4), first, size, contended] = words else { return None };
    let fences = fence_range(first.count()?, u32::try_from(size.count()?).ok()?)?;
    Some(Grant { fences, contended: contended.int()? == 1 })
}

fn acquired_all(acquires: &[Acquire], answer: &RawReply) -> Option<Reply> {
    let fences = match answer.count()? {
        0 => None,
        first => Some(fence_range(first, u32::try_from(acquires.len()).ok()?)?),
    };
    Some(Reply::AcquiredAll(fences))
}

/// The first token of a block for each lock, alone or before the numbers of those that are not
/// free, in their order and counted from one.
fn acquired_each(locks: usize, size: u32, answer: &RawReply) -> Option<Vec<Option<Reply>>> {
    let (first, refused) = match answer {
        RawReply::List(words) => words.split_first()?,
        RawReply::Int(0) => return Some(vec![None; locks]),
        first => (first, [].as_slice()),
    };
    let mut refused = refused.iter().peekable();
    let mut fence = first.count()?;
    let mut replies = Vec::with_capacity(locks);
    for lock in 1..=locks {
        let fences = fence_range(fence, size)?;
        fence += u64::from(size);
        let granted = refused.next_if(|number| number.is(lock)).is_none();
        let grant = Grant { fences, contended: false };
        replies.push(granted.then_some(Reply::Acquire(AcquireReply::Granted(grant))));
    }
    // One that is left over is out of order or no lock of these.
    refused.next().is_none().then_some(replies)
}

/// One answer for all, or one for each.
fn released_each(locks: usize, answer: &RawReply) -> Option<Vec<Option<Reply>>> {
    match answer {
        RawReply::Int(1) => Some(vec![Some(Reply::Released(true)); locks]),
        RawReply::List(answers) if answers.len() == locks => answers
            .iter()
            .map(|answer| ended(answer).map(|held| Some(Reply::Released(held))))
            .collect(),
        _ => None,
    }
}

fn ended(answer: &RawReply) -> Option<bool> {
    match answer.int()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn reclaimed(answer: &RawReply) -> Option<ReclaimReply> {
    match answer.int()? {
        0 => Some(ReclaimReply::Refused),
        1 => Some(ReclaimReply::Held),
        2 => Some(ReclaimReply::OlderHold),
        _ => None,
    }
}

fn renewed(entries: &[Renewal], answer: &RawReply) -> Option<Vec<RenewalReply>> {
    let answers = answer.list()?;
    if answers.len() != entries.len() {
        return None;
    }
    entries.iter().zip(answers).map(|(entry, answer)| renewal(entry, answer)).collect()
}

fn renewal(entry: &Renewal, answer: &RawReply) -> Option<RenewalReply> {
    match (entry, answer.int()?) {
        (Renewal::Hold { .. }, 1) => Some(RenewalReply::Renewed),
        (Renewal::Hold { .. }, 2) => Some(RenewalReply::RenewedContended),
        (Renewal::Hold { .. }, 0) => Some(RenewalReply::NotHeld),
        (Renewal::Hold { .. }, _) => None,
        (Renewal::Waiter { .. }, ms) if ms < 0 => Some(RenewalReply::AcquireAgain),
        (Renewal::Waiter { .. }, ms) => Some(RenewalReply::Waiting(left(ms))),
    }
}

fn inspection(answer: &RawReply) -> Option<LockState> {
    let [value, pttl, waiting, tokens, rest @ ..] = answer.list()? else {
        return None;
    };
    let mut tokens = tokens.text()?.split(' ');
    let mark = tokens.next().and_then(Mark::parse);
    let pause = tokens.next().zip(tokens.next());
    let pause = pause.and_then(|(kind, ms)| {
        let reason = PauseReason::of_kind(kind)?;
        // One that is over ends with the next grant.
        let left = Duration::from_millis(ms.parse().ok()?);
        (!left.is_zero()).then_some(GrantPause { left, reason })
    });
    let waiters = rest.chunks(2).map(|pair| waiter(pair.first()?, pair.get(1)?));
    Some(LockState {
        holder: HolderInfo::parse(value.text()?),
        not_a_lock: value.text()? == "?",
        left: left(pttl.int()?),
        waiting: waiting.count()?,
        waiters: waiters.collect::<Option<_>>()?,
        mark,
        pause,
    })
}

/// Names that are not text are those of others.
fn page(space: &Keyspace, answer: &RawReply) -> Option<Page> {
    let [next, names] = answer.list()? else { return None };
    let names = names.list()?.iter().filter_map(RawReply::text);
    let keys = names.filter_map(|name| space.key_of_hold(name)).map(str::to_owned);
    Some(Page { next: next.text()?.parse().ok()?, keys: keys.collect() })
}

fn waiter(id: &RawReply, entry: &RawReply) -> Option<WaiterInfo> {
    let mut words = entry.text()?.splitn(6, ' ');
    let owner = OwnerInfo::from_parts(words.nth(2)?, words.nth(2)?)?;
    Some(WaiterInfo { id: RequestId::parse(id.text()?)?, owner })
}

impl Probe {
    /// A valid cycle starts at this request, has no member twice and no registration in the future.
    fn decode(&self, answer: &RawReply) -> Option<ProbeReply> {
        let (at, words) = answer.list()?.split_first()?;
        let at_us = at.count()?;
        let cycle: Vec<_> = words.chunks(4).map(member).collect::<Option<_>>()?;
        let mut ids: Vec<_> = cycle.iter().map(|member| member.id).collect();
        ids.sort_unstable();
        ids.dedup();
        let plausible = ids.len() == cycle.len()
            && cycle.first().is_none_or(|first| first.id == self.id)
            && cycle.iter().all(|member| member.refreshed_us <= at_us);
        plausible.then_some(ProbeReply { at_us, cycle })
    }
}

fn member(words: &[RawReply]) -> Option<BlockedRequest> {
    let [id, refreshed, key, owner] = words else { return None };
    Some(BlockedRequest {
        id: RequestId::parse(id.text()?)?,
        refreshed_us: refreshed.count()?,
        key: key.text()?.to_owned(),
        owner: OwnerInfo::parse(owner.text()?)?,
    })
}

/// The request that has the one key of an MGET. One that has released it, or another client's, is
/// none.
fn holder(answer: &RawReply) -> Option<Reply> {
    let [value] = answer.list()? else { return None };
    let holder = value.text().and_then(HolderInfo::parse).filter(|holder| !holder.is_kept());
    Some(Reply::Holder(holder.map(|holder| holder.id)))
}

fn blocked(answer: &RawReply) -> Option<Vec<BlockedWait>> {
    let pairs = answer.list()?.chunks(2);
    pairs.map(|pair| blocked_wait(pair.first()?.text()?, pair.get(1)?.text()?)).collect()
}

fn blocked_wait(id: &str, entry: &str) -> Option<BlockedWait> {
    let mut words = entry.splitn(5, ' ');
    let refreshed_us = words.next()?.parse().ok()?;
    // On one server it has since when the request waits in its place, and no `n`.
    let count = words.next()?;
    let count = count.strip_prefix('n').unwrap_or(count).parse().ok()?;
    let target = match words.next()? {
        "-" => WaitTarget::Key,
        section => WaitTarget::Section(RequestId::parse(section)?),
    };
    let length = words.next()?.parse().ok()?;
    let (key, owner) = words.next()?.split_at_checked(length)?;
    let request = BlockedRequest {
        id: RequestId::parse(id)?,
        refreshed_us,
        key: key.to_owned(),
        owner: OwnerInfo::parse(owner.strip_prefix(' ')?)?,
    };
    Some(BlockedWait { request, count, target })
}

/// A PTTL in ms: negative where there is none.
fn left(ms: i64) -> Option<Duration> {
    u64::try_from(ms).ok().map(Duration::from_millis)
}

/// A server's reply before it is decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawReply {
    /// An integer.
    Int(i64),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<RawReply>),
    /// Anything else.
    Other,
}

impl RawReply {
    pub(crate) fn int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn count(&self) -> Option<u64> {
        self.int().and_then(|number| u64::try_from(number).ok())
    }

    fn is(&self, number: usize) -> bool {
        self.count().is_some_and(|count| usize::try_from(count) == Ok(number))
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

#[cfg(test)]
mod tests;
