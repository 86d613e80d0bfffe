//! Who reads the socket of a link, as a policy without I/O, locks and clock.
//!
//! A *party* is a blocked thread or a task that waits for something of this link. At most one party
//! has the role of the reader: it waits for the socket, takes in what has arrived, and sends what
//! the others have left in the send buffer. Without such a party the role is vacant, or the keeper
//! has it, a thread of the link.
//!
//! - A party takes a vacant role, and takes the role from the keeper, which lets it get its answer
//!   without a detour over another thread. With many waiting threads the keeper keeps it: a role
//!   that goes from thread to thread costs a wake-up for each reply.
//! - A reader that has its answer, or is dropped, leaves. Another party is woken to take the role,
//!   or the keeper if none stands by. A vacant role without parties waits for the keeper, which
//!   looks every [`GRACE`] while the link is in use.
//! - A thread that waits for the socket cannot stall. A task can: other code may block its runtime.
//!   A waiting thread takes the role from a task that shows no activity for [`PATIENCE`], and the
//!   keeper does after [`GRACE`].
//!
//! What is asked of an idle link is written at once. While a reader is active and replies are
//! outstanding, it is left to the reader, which writes everything as one batch; to the keeper only
//! if many wait. After a pass that
//! woke several parties, the batch waits until they have run, at most [`BURST`] for each and
//! [`LONGEST_BURST`] for all.

use std::time::Duration;

use crate::types::time::Timestamp;

/// After this time the keeper takes a role that nobody exercises.
pub(crate) const GRACE: Duration = Duration::from_millis(4);

/// How long a waiting thread lets a task read.
pub(crate) const PATIENCE: Duration = Duration::from_millis(1);

/// How much longer the code of a party takes without optimizations.
const SLOWDOWN: u32 = if cfg!(debug_assertions) { 4 } else { 1 };

/// How long a batch waits for each of the parties that a pass has woken.
const BURST: Duration = Duration::from_micros(20).saturating_mul(SLOWDOWN);

/// How long it waits for all of them, less than [`GRACE`]. A renewal may be in it.
const LONGEST_BURST: Duration = Duration::from_millis(if SLOWDOWN == 1 { 2 } else { 3 });

/// With more waiting threads than this the keeper reads.
const FEW: usize = 2;

/// Names a party of one link.
pub(crate) type PartyId = u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartyKind {
    Thread,
    Task,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    Vacant,
    Keeper,
    Party(PartyId, PartyKind),
}

/// The answer to a party that waits.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It is the reader.
    Reads,
    /// Another party or the keeper reads.
    Waits,
    /// As above, and the keeper has to be told to read.
    KeeperReads,
}

/// What follows when a party leaves.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Left<W> {
    Nothing,
    /// Wake this party, which takes the role.
    Wake(W),
    /// Tell the keeper to read.
    KeeperReads,
}

/// `W` wakes a party that stands by.
#[derive(Debug)]
pub(crate) struct Role<W> {
    reader: Reader,
    /// When the reader last took the role or made a pass.
    stamp: Timestamp,
    next_party: PartyId,
    /// The waiting parties, the reader among them.
    waiting: usize,
    waiting_threads: usize,
    /// The party that takes the role next.
    stands_by: Option<(PartyId, W)>,
    /// The party that was woken to take a vacant role.
    heir: Option<PartyId>,
    /// The parties that the last pass woke and that have not run since.
    woken: usize,
    /// Until when they are expected.
    burst_until: Timestamp,
    /// The keeper was told to read.
    keeper_wanted: bool,
    /// Counts what shows that parties read.
    activity: u64,
}

impl<W> Role<W> {
    pub(crate) fn new() -> Self {
        Self {
            reader: Reader::Vacant,
            stamp: Timestamp::ZERO,
            next_party: 0,
            waiting: 0,
            waiting_threads: 0,
            stands_by: None,
            heir: None,
            woken: 0,
            burst_until: Timestamp::ZERO,
            keeper_wanted: false,
            activity: 0,
        }
    }

    /// A party starts to wait.
    pub(crate) fn join(&mut self, kind: PartyKind) -> PartyId {
        self.waiting += 1;
        self.waiting_threads += usize::from(kind == PartyKind::Thread);
        self.next_party += 1;
        self.next_party
    }

    /// A waiting party asks whether it is to read. Also returns the waker with which it stood by,
    /// to be dropped with nothing locked.
    pub(crate) fn claim(
        &mut self,
        now: Timestamp,
        party: PartyId,
        kind: PartyKind,
    ) -> (Claim, Option<W>) {
        let crowded = kind == PartyKind::Thread && self.waiting_threads > FEW;
        let may_take = match self.reader {
            Reader::Party(reader, _) if reader == party => return (Claim::Reads, None),
            Reader::Vacant if crowded => {
                self.keeper_wanted = true;
                return (Claim::KeeperReads, None);
            }
            Reader::Vacant => true,
            Reader::Keeper => !crowded,
            Reader::Party(_, PartyKind::Thread) => false,
            Reader::Party(_, PartyKind::Task) => {
                kind == PartyKind::Thread && now.since(self.stamp) >= PATIENCE
            }
        };
        if !may_take {
            return (Claim::Waits, None);
        }
        self.reader = Reader::Party(party, kind);
        self.stamp = now;
        self.activity += 1;
        (Claim::Reads, self.forget_stand_by(party))
    }

    /// A party that does not read can be woken to take the role. Returns what stood by before.
    #[must_use]
    pub(crate) fn stand_by(&mut self, party: PartyId, waker: W) -> Option<W> {
        self.stands_by.replace((party, waker)).map(|(_, waker)| waker)
    }

    /// This party need not be woken to take the role. Returns its waker, to be dropped with nothing
    /// locked.
    fn forget_stand_by(&mut self, party: PartyId) -> Option<W> {
        self.stands_by.take_if(|(known, _)| *known == party).map(|(_, waker)| waker)
    }

    /// A party took in what had arrived.
    pub(crate) fn passed(&mut self, now: Timestamp) {
        self.stamp = now;
        self.activity += 1;
    }

    /// So many parties have been woken together.
    pub(crate) fn woke(&mut self, now: Timestamp, woken: usize) {
        // One that has its answer before it waits does not leave.
        let woken = woken.min(self.waiting);
        if woken > 0 {
            self.woken = woken;
            let for_all = BURST * u32::try_from(woken).unwrap_or(u32::MAX);
            self.burst_until = now.plus(for_all.min(LONGEST_BURST));
        }
    }

    /// A party has its answer, or was dropped. Also returns its own waker, to be dropped with
    /// nothing locked.
    pub(crate) fn leave(&mut self, party: PartyId, kind: PartyKind) -> (Left<W>, Option<W>) {
        self.waiting -= 1;
        self.waiting_threads -= usize::from(kind == PartyKind::Thread);
        self.woken = self.woken.saturating_sub(1);
        let own = self.forget_stand_by(party);
        // One that was woken to take the role may have its answer by now, too.
        let is_heir = self.reader == Reader::Vacant && self.heir == Some(party);
        if self.reader != Reader::Party(party, kind) && !is_heir {
            return (Left::Nothing, own);
        }
        self.reader = Reader::Vacant;
        let left = if self.waiting == 0 {
            Left::Nothing
        } else {
            match self.stands_by.take() {
                Some((party, waker)) if self.waiting_threads <= FEW => {
                    self.heir = Some(party);
                    Left::Wake(waker)
                }
                stands_by => {
                    self.stands_by = stands_by;
                    self.keeper_wanted = true;
                    Left::KeeperReads
                }
            }
        };
        (left, own)
    }

    /// This party waits and cannot wait for sockets. Returns whether the keeper has to be told to
    /// read.
    pub(crate) fn cannot_read(&mut self, party: PartyId, kind: PartyKind) -> bool {
        if self.reader == Reader::Party(party, kind) {
            self.reader = Reader::Vacant;
        }
        self.ask_keeper()
    }

    /// The socket is gone. Its reader waits for something else now, and the keeper reads from the
    /// next socket until a party claims the role.
    pub(crate) fn vacate(&mut self) {
        self.reader = Reader::Vacant;
        self.keeper_wanted = true;
    }

    /// A party waits that cannot read. Returns whether the keeper has to be told to read.
    pub(crate) fn ask_keeper(&mut self) -> bool {
        let vacant = self.reader == Reader::Vacant;
        self.keeper_wanted |= vacant;
        vacant
    }

    /// Whether what is asked now is left to the reader.
    pub(crate) fn batches(&self, now: Timestamp, in_flight: usize) -> bool {
        match self.reader {
            _ if self.expects_others(now) => true,
            Reader::Vacant => false,
            // One of few is about to take the role.
            Reader::Keeper => in_flight > 0 && self.waiting > FEW,
            Reader::Party(_, PartyKind::Thread) => in_flight > 0,
            Reader::Party(_, PartyKind::Task) => in_flight > 0 && now.since(self.stamp) < GRACE,
        }
    }

    /// Whether parties are expected that were woken together.
    pub(crate) fn expects_others(&self, now: Timestamp) -> bool {
        self.woken > 0 && now < self.burst_until
    }

    /// When the reader sends the batch, if it waits for parties that were woken together.
    pub(crate) fn batch_ends_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.expects_others(now).then_some(self.burst_until)
    }

    /// Whether a party waits.
    pub(crate) fn has_waiting(&self) -> bool {
        self.waiting > 0
    }

    pub(crate) fn is_with_keeper(&self) -> bool {
        self.reader == Reader::Keeper
    }

    /// Whether a task reads, which may stall.
    pub(crate) fn is_with_task(&self) -> bool {
        matches!(self.reader, Reader::Party(_, PartyKind::Task))
    }

    /// The state that the keeper compares between two looks.
    pub(crate) fn activity(&self) -> u64 {
        self.activity
    }

    /// The keeper looks. `idle`: no party has read for [`GRACE`].
    pub(crate) fn keeper(&mut self, idle: bool) -> Keeper {
        let wanted = std::mem::take(&mut self.keeper_wanted);
        match self.reader {
            // Those who ask are about to read themselves: it would race with them for each reply.
            Reader::Keeper if !idle && !wanted && self.waiting == 0 => {
                self.reader = Reader::Vacant;
                Keeper::Looks
            }
            Reader::Keeper => Keeper::Reads,
            Reader::Vacant if wanted || idle => {
                self.reader = Reader::Keeper;
                Keeper::Reads
            }
            // A thread cannot stall.
            Reader::Party(_, PartyKind::Thread) if idle => Keeper::Sleeps,
            Reader::Party(_, PartyKind::Task) if idle => Keeper::Watches,
            Reader::Vacant | Reader::Party(..) => Keeper::Looks,
        }
    }

    /// The reader has not come although something had arrived: the keeper takes the role.
    pub(crate) fn take_from_stalled(&mut self) {
        self.reader = Reader::Keeper;
    }
}

/// What the keeper does until its next timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeper {
    /// It reads.
    Reads,
    /// It waits for the socket. If the task that reads does not come, it takes the role.
    Watches,
    /// It sleeps: a thread reads.
    Sleeps,
    /// It looks again after [`GRACE`].
    Looks,
}

#[cfg(test)]
mod tests;
