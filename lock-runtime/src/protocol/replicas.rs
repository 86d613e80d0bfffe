//! Grants and renewals that count only once enough replicas have them.
//!
//! WAIT answers how many replicas have everything that the server has executed for its connection,
//! and blocks what comes behind it. So at most one is under way, at the end of a flush. Commands go
//! on being sent meanwhile; the next WAIT, in the first flush after that one was answered, is for
//! all of them. A flush waits for callers that have just been woken, so that those whose grants
//! were confirmed together ask together again, and a caller that came later joins them.
//!
//! A WAIT that was not met is followed by short ones until one is met: replicas that are gone must
//! not delay the other commands of the connection.
//!
//! The reply to a command that granted, renewed or put back a hold is held back until the WAIT
//! behind the command was answered. All other replies pass.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::protocol::request::{CommandId, Failure};
use crate::protocol::timing::RETRY;
use crate::types::replicas::Confirm;
use crate::types::request_id::{RequestId, RequestMap};
use crate::types::text::HumanDuration;
use crate::types::time::Timestamp;
use crate::wire::reply::{ReclaimReply, RenewalReply, Reply};

/// How soon the replicas that are online are counted again, if all of them have to confirm.
const COUNT_AGAIN: Duration = Duration::from_secs(10);
/// The longest WAIT after one that was not met.
const AFTER_A_MISS: Duration = Duration::from_millis(50);
/// A limit of zero would be none.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// What is confirmed on one connection, and what is not.
#[derive(Debug)]
pub(crate) struct Confirmations {
    requests: RequestMap<Wanted>,
    /// How many replicas are online, as the server said last.
    online: u32,
    counted_at: Timestamp,
    /// For the commands that no WAIT was sent behind yet.
    next: Option<Need>,
    /// The limit of the WAIT that is under way.
    under_way: Option<Duration>,
    /// The latest WAIT was not met.
    missed: bool,
    held_back: BTreeMap<CommandId, Reply>,
}

#[derive(Debug)]
pub(crate) struct Wanted {
    confirm: Confirm,
    /// When the acquire was sent that was granted but is not confirmed yet, the first one of them.
    granted_at: Option<Timestamp>,
}

/// What the next WAIT has to achieve.
#[derive(Clone, Copy, Debug)]
struct Need {
    /// So many replicas, without those that have to be all.
    count: u32,
    all: bool,
    /// How long it may take.
    within: Duration,
    /// When the first caller gives up.
    deadline: Option<Timestamp>,
}

/// A WAIT to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NextWait {
    /// Count the replicas first.
    pub(crate) counts: bool,
    pub(crate) replicas: u32,
    pub(crate) limit: Duration,
}

/// Too few replicas have confirmed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unconfirmed {
    acknowledged: u32,
    required: u32,
    /// How long they had.
    within: Duration,
    /// Whether that is as long as the request allows.
    pub(crate) is_over: bool,
}

impl Confirmations {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            requests: RequestMap::default(),
            online: 0,
            counted_at: now,
            next: None,
            under_way: None,
            missed: false,
            held_back: BTreeMap::new(),
        }
    }

    pub(crate) fn begin(&mut self, id: RequestId, confirm: Confirm) {
        self.requests.insert(id, Wanted { confirm, granted_at: None });
    }

    pub(crate) fn end(&mut self, id: RequestId) -> Option<Wanted> {
        self.requests.remove(&id)
    }

    /// Goes on for a request of another node, with what is left of its time.
    pub(crate) fn go_on(&mut self, id: RequestId, wanted: Wanted) {
        self.requests.insert(id, wanted);
    }

    /// So many replicas are online.
    pub(crate) fn counted(&mut self, now: Timestamp, online: u32) {
        self.online = online;
        self.counted_at = now;
    }

    /// A command was sent whose effect on this request has to be confirmed. `deadline`: of its
    /// caller.
    pub(crate) fn sent(&mut self, id: RequestId, deadline: Option<Timestamp>) {
        let Some(Wanted { confirm, .. }) = self.requests.get(&id) else { return };
        let need = Need {
            count: if confirm.is_by_all() { 0 } else { confirm.required(0) },
            all: confirm.is_by_all(),
            within: confirm.within,
            deadline,
        };
        self.next = Some(match self.next {
            None => need,
            Some(next) => Need {
                count: next.count.max(need.count),
                all: next.all || need.all,
                within: next.within.min(need.within),
                deadline: next.deadline.into_iter().chain(need.deadline).min(),
            },
        });
    }

    /// Whether a WAIT is to be sent.
    pub(crate) fn wants_wait(&self) -> bool {
        self.next.is_some() && self.under_way.is_none()
    }

    /// Whether nothing is asked and nothing is held back.
    #[cfg(test)]
    pub(crate) fn is_settled(&self) -> bool {
        self.next.is_none() && self.under_way.is_none() && self.held_back.is_empty()
    }

    /// The WAIT that is sent now, if any. `shortest_ttl`: of all requests, if that is short.
    pub(crate) fn next_wait(
        &mut self,
        now: Timestamp,
        shortest_ttl: Option<Duration>,
    ) -> Option<NextWait> {
        if self.under_way.is_some() {
            return None;
        }
        let Need { count, all, within, deadline } = self.next.take()?;
        let counts = all && self.counted_at.plus(COUNT_AGAIN) <= now;
        if counts {
            self.counted_at = now;
        }
        // So that the answer arrives before the caller gives up, and a renewal has other chances.
        let left = deadline.map(|deadline| deadline.since(now) / 8 * 7);
        let third = shortest_ttl.map(|ttl| ttl / 3);
        let after_a_miss = self.missed.then_some(AFTER_A_MISS);
        let limits = [Some(within), left, third, after_a_miss];
        let limit = limits.into_iter().flatten().min()?.max(SHORTEST_WAIT);
        let replicas = count.max(if all { self.online.max(1) } else { 0 });
        self.under_way = Some(limit);
        Some(NextWait { counts, replicas, limit })
    }

    /// How much longer than otherwise a reply may take.
    pub(crate) fn delay(&self) -> Duration {
        self.under_way.unwrap_or_default()
    }

    /// Holds back the reply to a command that was sent at `sent`.
    pub(crate) fn hold_back(
        &mut self,
        command: CommandId,
        acquired: &[RequestId],
        sent: Timestamp,
        reply: Reply,
    ) {
        for id in acquired {
            if let Some(wanted) = self.requests.get_mut(id) {
                wanted.granted_at.get_or_insert(sent);
            }
        }
        self.held_back.insert(command, reply);
    }

    /// A WAIT for so many replicas was answered. Returns the replies to the commands before it.
    pub(crate) fn waited(
        &mut self,
        wait: CommandId,
        replicas: u32,
        acknowledged: u32,
    ) -> BTreeMap<CommandId, Reply> {
        self.under_way = None;
        self.missed = acknowledged < replicas;
        let behind = self.held_back.split_off(&wait);
        std::mem::replace(&mut self.held_back, behind)
    }

    /// What is missing for this request if so many replicas have acknowledged it.
    pub(crate) fn unconfirmed(
        &self,
        now: Timestamp,
        id: RequestId,
        acknowledged: u32,
    ) -> Option<Unconfirmed> {
        let Wanted { confirm, granted_at } = self.requests.get(&id)?;
        let required = confirm.required(self.online);
        let within = granted_at.map_or(confirm.within, |at| now.since(at));
        let is_over = within >= confirm.within;
        let within = within.min(confirm.within);
        (acknowledged < required).then_some(Unconfirmed { acknowledged, required, within, is_over })
    }

    /// The grant of this request was confirmed, or is none any more.
    pub(crate) fn settled(&mut self, id: RequestId) {
        if let Some(wanted) = self.requests.get_mut(&id) {
            wanted.granted_at = None;
        }
    }

    /// Why a request is not granted that the server has granted.
    pub(crate) fn why_not_granted(&self, now: Timestamp, id: RequestId) -> Option<Failure> {
        let Wanted { confirm, granted_at } = self.requests.get(&id)?;
        let had = HumanDuration(now.since((*granted_at)?).min(confirm.within));
        let required = confirm.required(self.online);
        let what = format!("fewer than {required} {} confirmed within {had}", noun(required));
        Some(Failure::Unavailable(format!("{what}; {ADVICE}")))
    }

    /// The connection is gone.
    pub(crate) fn disconnected(&mut self) {
        self.next = None;
        self.under_way = None;
        self.missed = false;
        self.held_back.clear();
    }
}

const ADVICE: &str = "check that the replicas run and keep up, or ask for fewer";

fn noun(count: u32) -> &'static str {
    if count == 1 { "replica" } else { "replicas" }
}

impl Unconfirmed {
    /// Why a request was not granted.
    pub(crate) fn failure(&self) -> Failure {
        let Self { acknowledged, required, within, .. } = *self;
        let (noun, within) = (noun(required), HumanDuration(within));
        let what = format!("{acknowledged} of {required} {noun} confirmed within {within}");
        Failure::Unavailable(format!("{what}; {ADVICE}"))
    }

    /// Why a hold was not renewed.
    pub(crate) fn refusal(&self) -> String {
        let Self { acknowledged, required, .. } = *self;
        format!("{acknowledged} of {required} {} confirmed the renewal", noun(required))
    }
}

/// When to ask again for a grant that was asked for at `sent`.
pub(crate) fn ask_again_at(now: Timestamp, sent: Timestamp) -> Timestamp {
    now.max(sent.plus(RETRY))
}

/// Whether the reply says that a hold is there, which replicas may not have.
pub(crate) fn has_hold(reply: &Reply) -> bool {
    match reply {
        Reply::Reclaimed(ReclaimReply::Held) => true,
        Reply::Renewed(replies) => replies.iter().any(is_renewed),
        other => other.is_grant(),
    }
}

/// Whether a hold was renewed.
pub(crate) fn is_renewed(reply: &RenewalReply) -> bool {
    matches!(reply, RenewalReply::Renewed | RenewalReply::RenewedContended)
}
