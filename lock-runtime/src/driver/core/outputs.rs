//! What the protocol wants done and has to tell.

use std::sync::Arc;
use std::task::Context;

use super::Core;
use crate::Fence;
use crate::driver::link::{Asker, Link};
use crate::driver::parties::Party;
use crate::driver::report;
use crate::lease::{Lease, Share};
use crate::protocol::{Loss, Output};
use crate::queue::Delivery;
use crate::time::Timestamp;
use crate::wire::{Call, Grant, INSPECTED, Nonce};

impl Core {
    /// Does what the machine wants done; its calls gather in the batch.
    pub(super) fn do_outputs(&mut self, now: Timestamp) -> bool {
        let mut any = false;
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Send(id, call) => self.batch.push((Asker::Machine(id), call)),
                Output::Reconnect => {
                    self.reconnect();
                    // The new attempt has to be polled once, or nothing would wake this thread for it.
                    any = true;
                }
                output => self.tell(now, output),
            }
        }
        if matches!(self.link, Link::Up(..)) {
            let inspections = self.inspections.drain(..);
            self.batch.extend(inspections.map(|(key, slot)| {
                (Asker::Inspector(slot), Call::Inspect { key: key.into(), limit: INSPECTED })
            }));
        }
        any
    }

    /// Hands over what was granted, all at once: a runtime wakes one of its threads for the first, and that one finds the
    /// others. After the batch is sent, as a caller that wakes may take the core from this thread.
    pub(super) fn deliver(&mut self) {
        self.deliveries.drain(..).for_each(Delivery::make);
    }

    /// Sends the batch. A release that comes alone is kept for one turn while this thread is awake anyway: the next
    /// acquire of the same caller is often a microsecond behind, and both then cost the server one read.
    pub(super) fn send(&mut self, now: Timestamp, context: &mut Context<'_>) -> bool {
        let is_end =
            |call: &Call| matches!(call, Call::Free(_) | Call::Release(_) | Call::Cancel { .. });
        let only_ends = self.batch.iter().all(|(_, call)| is_end(call));
        if self.batch.is_empty() || (only_ends && !self.kept && now < self.spin_until) {
            self.kept = !self.batch.is_empty();
            return false;
        }
        self.kept = false;
        if only_ends && self.batch.iter().any(|(_, call)| matches!(call, Call::Release(_))) {
            // The next one is in another process, and needs the core that looking for work would take.
            self.lively = false;
            self.spin_until = now;
        }
        self.link.send(std::mem::take(&mut self.batch), context);
        true
    }

    fn tell(&mut self, now: Timestamp, output: Output) {
        match output {
            Output::Granted { nonce, grant, valid_until } => {
                self.granted(now, nonce, grant, valid_until);
            }
            Output::Failed(nonce, failure) => match self.parties.remove(&nonce) {
                Some(Party::Asking(_, slot)) => drop(slot.send(Err(failure))),
                Some(Party::Queue(queue)) => queue.failed(now, nonce, failure),
                Some(Party::Member(..) | Party::Holding(_)) | None => {}
            },
            Output::Extended(nonce, valid_until) => match self.parties.get(&nonce) {
                Some(Party::Holding(lease)) => lease.extend(valid_until),
                Some(Party::Queue(queue)) => queue.extended(nonce, valid_until),
                Some(Party::Asking(..) | Party::Member(..)) | None => {}
            },
            Output::Lost(nonce, loss) => self.lost(nonce, loss),
            Output::WaitedFor(nonce) => {
                if let Some(Party::Queue(queue)) = self.parties.get(&nonce) {
                    queue.waited_for(now, nonce);
                }
            }
            Output::Ended(nonce, held) => {
                if let Some(slot) = self.confirmations.remove(&nonce) {
                    let _ = slot.send(held);
                }
            }
            Output::StillWaiting { nonce, waited, busy } => {
                if let Some(party) = self.parties.get(&nonce) {
                    report::still_waiting(party.key(), waited, busy.as_ref());
                }
            }
            Output::Send(..) | Output::Reconnect => {}
        }
    }

    fn granted(&mut self, now: Timestamp, nonce: Nonce, grant: Grant, valid_until: Timestamp) {
        self.lively = true;
        if let Some(Party::Queue(queue)) = self.parties.get(&nonce) {
            return self.deliveries.extend(queue.granted(now, nonce, grant, valid_until));
        }
        let fence = grant.fences.first();
        match self.parties.remove(&nonce) {
            Some(Party::Asking(key, slot)) => {
                let share = self.hold(key, nonce, fence, valid_until);
                self.deliveries.extend(share.map(|share| Delivery::new(share, slot)));
            }
            Some(Party::Member(key, first)) => {
                let share = self.hold(key, nonce, fence, valid_until);
                let Some(group) = self.groups.get_mut(&first) else { return };
                group.shares.extend(share);
                if group.shares.len() == group.nonces.len()
                    && let Some(group) = self.groups.remove(&first)
                {
                    drop(group.slot.send(group.shares));
                }
            }
            Some(Party::Queue(_) | Party::Holding(_)) | None => self.machine.end(now, nonce),
        }
    }

    fn hold(
        &mut self,
        key: Arc<str>,
        nonce: Nonce,
        fence: Fence,
        valid_until: Timestamp,
    ) -> Option<Share> {
        let keeper = self.mailbox.upgrade()?.keeper();
        let (lease, share) = Lease::granted(key, fence, nonce, valid_until, keeper);
        self.parties.insert(nonce, Party::Holding(lease));
        Some(share)
    }

    fn lost(&mut self, nonce: Nonce, loss: Loss) {
        let lease = match self.parties.get(&nonce) {
            Some(Party::Holding(lease)) => {
                lease.lose(loss);
                Some(Arc::clone(lease))
            }
            Some(Party::Queue(queue)) => queue.lost(nonce, loss),
            Some(Party::Asking(..) | Party::Member(..)) | None => None,
        };
        if let Some(lease) = lease {
            report::lost(&lease, loss);
        }
    }
}
