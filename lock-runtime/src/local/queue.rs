//! The line of one key: a state machine without I/O and clock.

pub(crate) mod overdue;

use std::time::Duration;

use crate::local::moves::{AcquireAction, Actions, LongSection};
use crate::local::tenure::{OWN_SPAN, Occupancy, ProcessLease, RunningSection};
use crate::local::waiters::WaiterList;
use crate::local::waiting::{AcquireParams, LocalWaiter, WaiterId};
use crate::protocol::timing::claim_time;
use crate::types::fence::Fence;
use crate::types::request_id::Nonce;
use crate::types::time::Timestamp;
use crate::wire::call::LARGEST_BLOCK;
use crate::wire::reply::Grant;

/// How many tokens a grant reserves at first. The counter of a server starts from its clock in microseconds, which tokens
/// that nobody uses must not outrun.
const SMALLEST_BLOCK: u32 = 4;

/// Sections shorter than this take less time than falling asleep and being woken.
const BRISK: Duration = Duration::from_micros(50);
/// As many are roused when the lock comes to this process; the others are by those.
const SOON: usize = 8;

/// What waits for one key in this process, and the hold it has. `S`: how a request hears of its turn.
#[derive(Debug)]
pub(crate) struct LocalQueue<S> {
    /// How often a hold is handed on while another process waits.
    bound: u32,
    tenure: Option<ProcessLease>,
    /// Under which name the server is asked for the first in line.
    asked: Option<Nonce>,
    /// The name under which it is asked next; brought from outside, as nothing here is random.
    fresh: Option<Nonce>,
    /// Others began to wait for what was asked before its grant was heard of.
    asked_is_waited_for: bool,
    /// Until when others are expected to come back for the lock: a hold is bound from its beginning then, as one that learns
    /// of them first has been handed on more often by that time.
    shared_until: Timestamp,
    waiting: WaiterList<S>,
    /// Until when the server grants the key to no request, as far as it said.
    nothing_before: Timestamp,
    next: WaiterId,
    /// How many tokens the next grant reserves: follows what the tenures before made of theirs.
    block: u32,
    /// How long sections last, on a moving average.
    pace: Duration,
    /// By when it has to be looked at again.
    armed: Option<Timestamp>,
    /// The alarms that were asked for and have not rung, the earliest last.
    alarms: Vec<Timestamp>,
}

impl<S> LocalQueue<S> {
    pub(crate) const fn new(bound: u32) -> Self {
        Self {
            bound,
            tenure: None,
            asked: None,
            fresh: None,
            asked_is_waited_for: false,
            shared_until: Timestamp::ZERO,
            waiting: WaiterList::new(),
            nothing_before: Timestamp::ZERO,
            next: 0,
            block: SMALLEST_BLOCK,
            pace: Duration::ZERO,
            armed: None,
            alarms: Vec::new(),
        }
    }

    /// Whether nothing is held, asked or waited for.
    pub(crate) fn is_vacant(&self) -> bool {
        self.tenure.is_none() && self.asked.is_none() && self.waiting.is_empty()
    }

    /// Whether a hold is kept here for the next call.
    pub(crate) fn is_idle(&self) -> bool {
        self.tenure.as_ref().is_some_and(ProcessLease::is_idle)
    }

    /// Begins a section at once under a hold that was kept for it.
    pub(crate) fn take(&mut self, now: Timestamp, params: AcquireParams) -> Option<Actions<()>> {
        let tenure = self.tenure.as_mut()?;
        if !tenure.is_idle() || !self.waiting.is_empty() || !tenure.may_go_on(now, params.terms) {
            return None;
        }
        let restart = tenure.hand_on().then_some(tenure.nonce);
        Some(Actions { restart, serve: Some(tenure.serve(now, params, ())?), ..Actions::none() })
    }

    /// A new request, and its number. One that tries once has to be the first: see [`Self::is_open`].
    pub(crate) fn join(
        &mut self,
        now: Timestamp,
        params: AcquireParams,
        slot: S,
    ) -> (WaiterId, Actions<S>) {
        let mut moves = Actions::none();
        let number = self.next;
        self.next += 1;
        self.waiting.push_back(number, LocalWaiter::new(params, slot));
        self.advance(now, &mut moves);
        let known = usize::from(self.asked.is_some());
        if self.waiting.len() > known
            && let Some(last) = self.waiting.back_mut()
        {
            last.behind = true;
        }
        self.arm(&mut moves);
        (number, moves)
    }

    /// Whether what comes next may be a request to the server, and there is no name for it: the coming of a request may be, and
    /// anything while requests wait of which the server does not know.
    pub(crate) fn lacks_name(&self, comes: bool) -> bool {
        let unknown = self.waiting.len() > usize::from(self.asked.is_some());
        self.fresh.is_none() && (unknown || comes && self.asked.is_none())
    }

    /// Brings the name for the next request to the server.
    pub(crate) const fn supply(&mut self, fresh: Nonce) {
        self.fresh = Some(fresh);
    }

    /// Whether sections here are so short that it does not pay to sleep until one's turn.
    pub(crate) fn is_brisk(&self) -> bool {
        self.pace < BRISK
    }

    /// Those whose turns come soon, if the line is brisk.
    pub(crate) fn soon(&self) -> impl Iterator<Item = &S> {
        let few = if self.is_brisk() { SOON } else { 0 };
        self.waiting.iter().take(few).map(|waiting| &waiting.slot)
    }

    /// Whether a request that comes now is the next.
    pub(crate) fn is_open(&self) -> bool {
        self.waiting.is_empty() && self.tenure.as_ref().is_none_or(ProcessLease::is_idle)
    }

    /// Nobody wants this request any more.
    pub(crate) fn leave(&mut self, number: WaiterId) -> Actions<S> {
        let mut moves = Actions::none();
        let Some(was_first) = self.waiting.remove(number) else {
            return moves;
        };
        if let (true, Some(withdrawn)) = (was_first, self.asked) {
            self.asked = None;
            self.ask(&mut moves, Some(withdrawn));
        }
        self.arm(&mut moves);
        moves
    }

    /// The server granted what was asked.
    pub(crate) fn granted(
        &mut self,
        now: Timestamp,
        nonce: Nonce,
        grant: Grant,
        valid_until: Timestamp,
    ) -> Actions<S> {
        let mut moves = Actions::none();
        let first = self.waiting.front().filter(|_| self.asked == Some(nonce));
        let Some(terms) = first.map(|waiting| waiting.params.terms) else {
            moves.end = Some(nonce);
            return moves;
        };
        self.asked = None;
        self.nothing_before = Timestamp::ZERO;
        let mut tenure = ProcessLease::new(now, nonce, terms, grant.fences, valid_until);
        if std::mem::take(&mut self.asked_is_waited_for) || grant.waited_for {
            tenure.is_asked_for(now, self.bound);
            self.shared_until = now.plus(OWN_SPAN);
        } else if now < self.shared_until {
            tenure.bind(now, self.bound);
        }
        self.tenure = Some(tenure);
        self.serve(now, &mut moves);
        self.arm(&mut moves);
        moves
    }

    /// What was asked ended without a hold: whose request it was, unless that one has left.
    pub(crate) fn failed(&mut self, now: Timestamp, nonce: Nonce) -> (Option<S>, Actions<S>) {
        let mut moves = Actions::none();
        if self.asked != Some(nonce) {
            return (None, moves);
        }
        self.asked = None;
        let first = self.waiting.pop_front();
        self.advance(now, &mut moves);
        self.arm(&mut moves);
        (first.map(|waiting| waiting.slot), moves)
    }

    /// The section under this token has ended.
    pub(crate) fn released(&mut self, now: Timestamp, nonce: Nonce, fence: Fence) -> Actions<S> {
        let mut moves = Actions::none();
        let Some(tenure) = self.tenure.as_mut().filter(|tenure| tenure.runs(fence)) else {
            // The hold was lost while it ran, and is not this line's any more.
            moves.end = Some(nonce);
            return moves;
        };
        let linger = tenure.inside().map_or(Duration::ZERO, |inside| inside.params.linger);
        self.pace = (self.pace * 3 + now.since(tenure.began)) / 4;
        tenure.stage = Occupancy::Idle { until: now.plus(linger).min(tenure.until) };
        if self.waiting.is_empty() {
            let keep =
                !linger.is_zero() && !tenure.is_waited_for() && tenure.may_go_on(now, tenure.terms);
            if !keep {
                self.end(&mut moves);
            }
        } else {
            self.advance(now, &mut moves);
        }
        self.arm(&mut moves);
        moves
    }

    /// The hold is given up by its section, which releases it itself.
    pub(crate) fn given_up(&mut self, nonce: Nonce) -> Actions<S> {
        let mut moves = Actions::none();
        if self.tenure.take_if(|tenure| tenure.nonce == nonce).is_some() {
            self.ask(&mut moves, None);
        }
        self.arm(&mut moves);
        moves
    }

    /// The hold is over. Nobody gets it from here any more: the line asks the server anew.
    pub(crate) fn lost(&mut self, nonce: Nonce) -> Actions<S> {
        let mut moves = Actions::none();
        let Some(tenure) = self.tenure.take_if(|tenure| tenure.nonce == nonce) else {
            return moves;
        };
        if tenure.is_idle() {
            moves.end = Some(nonce);
        }
        self.ask(&mut moves, None);
        self.arm(&mut moves);
        moves
    }

    /// Another process waits for this hold.
    pub(crate) fn waited_for(&mut self, now: Timestamp, nonce: Nonce) -> Actions<S> {
        self.asked_is_waited_for |= self.asked == Some(nonce);
        let bound = self.bound;
        if let Some(tenure) = self.tenure_under(nonce) {
            tenure.is_asked_for(now, bound);
            self.shared_until = now.plus(OWN_SPAN);
            return self.settle();
        }
        Actions::none()
    }

    /// The server grants the key to no request before then. A request that cannot wait so long fails at once.
    pub(crate) fn nothing_before(&mut self, nonce: Nonce, until: Timestamp) -> Actions<S> {
        let mut moves = Actions::none();
        if self.asked == Some(nonce) {
            self.nothing_before = until;
            self.armed = None;
            self.arm(&mut moves);
        }
        moves
    }

    /// A renewal moved the end of the hold.
    pub(crate) fn extended(&mut self, nonce: Nonce, valid_until: Timestamp) {
        if let Some(tenure) = self.tenure_under(nonce) {
            tenure.valid_until = valid_until;
        }
    }

    /// Whether others wait for the hold, here or elsewhere.
    pub(crate) fn is_contended(&self) -> bool {
        !self.waiting.is_empty() || self.tenure.as_ref().is_some_and(ProcessLease::is_waited_for)
    }

    /// A nested call asked for a longer ttl.
    pub(crate) fn lengthened(&mut self, nonce: Nonce, ttl: Duration) {
        if let Some(tenure) = self.tenure_under(nonce) {
            tenure.terms.ttl = tenure.terms.ttl.max(ttl);
        }
    }

    /// Gives up a hold that is kept with nobody inside.
    pub(crate) fn settle(&mut self) -> Actions<S> {
        let mut moves = Actions::none();
        if self.is_idle() {
            self.end(&mut moves);
        }
        moves
    }

    /// Takes all requests out. To be dropped where nothing of this is locked: that wakes those who wait.
    #[must_use]
    pub(crate) fn clear(&mut self) -> WaiterList<S> {
        self.asked = None;
        self.tenure = None;
        std::mem::take(&mut self.waiting)
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// A section that has run as long as others of this process have waited for it: short ones, one after the other, are what a
    /// queue is for.
    pub(crate) fn held_here(&self, now: Timestamp, long: Duration) -> Option<LongSection> {
        let (tenure, first) = (self.tenure.as_ref()?, self.waiting.front()?);
        let (held, waited) = (now.since(tenure.began), now.since(first.params.since));
        let function = tenure.inside()?.params.call_site.name();
        let calls = self.waiting.len();
        (held.min(waited) >= long).then_some(LongSection { function, held, calls, waited })
    }

    /// Who is inside, and who waits here without the server's knowledge.
    pub(crate) fn seen(&self) -> (Option<&RunningSection>, impl Iterator<Item = &AcquireParams>) {
        let known = usize::from(self.asked.is_some());
        let waiting = self.waiting.iter().skip(known).map(|waiting| &waiting.params);
        (self.tenure.as_ref().and_then(ProcessLease::inside), waiting)
    }

    /// Until when the section that runs under this hold may be without anybody who takes it up.
    pub(crate) fn claimed_until(&self, nonce: Nonce) -> Option<Timestamp> {
        let tenure = self.tenure.as_ref().filter(|tenure| tenure.nonce == nonce)?;
        let inside = tenure.inside()?;
        Some(tenure.began.plus(claim_time(inside.params.terms.ttl)))
    }

    fn tenure_under(&mut self, nonce: Nonce) -> Option<&mut ProcessLease> {
        self.tenure.as_mut().filter(|tenure| tenure.nonce == nonce)
    }

    /// Does for the first in line what can be done.
    fn advance(&mut self, now: Timestamp, moves: &mut Actions<S>) {
        let Some(first) = self.waiting.front() else { return };
        match &mut self.tenure {
            Some(tenure) if !tenure.is_idle() => {}
            Some(tenure) if tenure.may_go_on(now, first.params.terms) => {
                if tenure.hand_on() {
                    moves.restart = Some(tenure.nonce);
                }
                self.serve(now, moves);
            }
            Some(_) => {
                self.end(moves);
                self.ask(moves, None);
            }
            None => self.ask(moves, None),
        }
    }

    /// Begins the section of the first in line.
    fn serve(&mut self, now: Timestamp, moves: &mut Actions<S>) {
        let Some(tenure) = &mut self.tenure else { return };
        let Some(LocalWaiter { params, slot, .. }) = self.waiting.pop_front() else { return };
        let serve = tenure.serve(now, params, slot);
        moves.serve = Some(serve.expect("a block has a token for its section"));
    }

    /// Asks the server for the first in line, unless that is done already; in the place of a request that is withdrawn.
    fn ask(&mut self, moves: &mut Actions<S>, withdrawn: Option<Nonce>) {
        let first = self.waiting.front().filter(|_| self.asked.is_none() && self.tenure.is_none());
        let Some(first) = first else {
            moves.end = moves.end.or(withdrawn);
            return;
        };
        let (params, behind) = (first.params, first.behind);
        let block = match (params.terms.renew, params.linger.is_zero()) {
            (false, _) => 1,
            (true, true) => self.block,
            (true, false) => LARGEST_BLOCK,
        };
        let nonce = self.fresh.take().expect("a line that may ask was supplied with a name");
        self.asked = Some(nonce);
        self.asked_is_waited_for = false;
        // Where several wait here, others may wait elsewhere.
        let expects_free = withdrawn.is_none() && self.waiting.len() == 1;
        moves.ask =
            Some(AcquireAction { nonce, params, behind, expects_free, block, replaces: withdrawn });
    }

    fn end(&mut self, moves: &mut Actions<S>) {
        let Some(tenure) = self.tenure.take() else { return };
        moves.end = Some(tenure.nonce);
        if !tenure.terms.renew {
            return;
        }
        let left = tenure.fences.size();
        if left == 0 {
            self.block = (self.block * 2).min(LARGEST_BLOCK);
        } else if left > self.block / 4 * 3 {
            self.block = (self.block / 2).max(SMALLEST_BLOCK);
        }
    }
}
