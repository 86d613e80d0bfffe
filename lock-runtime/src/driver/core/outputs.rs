//! What the protocol wants done and has to tell.

use std::task::Context;

use super::Core;
use crate::driver::link::{Asker, Link};
use crate::driver::report;
use crate::lease::Lease;
use crate::protocol::Output;
use crate::time::Timestamp;
use crate::wire::Call;

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
            let limit = 100;
            let inspections = self.inspections.drain(..);
            self.batch.extend(
                inspections
                    .map(|(key, slot)| (Asker::Inspector(slot), Call::Inspect { key, limit })),
            );
        }
        any
    }

    /// Sends the batch. A release that comes alone is kept for one turn while this thread is awake anyway: the next
    /// acquire of the same caller is often a microsecond behind, and both then cost the server one read.
    pub(super) fn send(&mut self, now: Timestamp, context: &mut Context<'_>) -> bool {
        let is_end = |call: &Call| matches!(call, Call::Release(_) | Call::Cancel { .. });
        let only_ends = self.batch.iter().all(|(_, call)| is_end(call));
        if self.batch.is_empty() || (only_ends && !self.kept && now < self.spin_until) {
            self.kept = !self.batch.is_empty();
            return false;
        }
        self.kept = false;
        self.link.send(std::mem::take(&mut self.batch), context);
        true
    }

    fn tell(&mut self, now: Timestamp, output: Output) {
        match output {
            Output::Granted { nonce, fences, valid_until, .. } => {
                let fence = fences.first();
                let Some((key, slot)) = self.slots.remove(&nonce) else {
                    return self.machine.end(now, nonce);
                };
                let Some(mailbox) = self.mailbox.upgrade() else {
                    return;
                };
                let (lease, share) =
                    Lease::granted(key, fence, nonce, valid_until, mailbox.keeper());
                self.leases.insert(nonce, lease);
                // If nobody takes it, dropping it puts its release into the mailbox.
                drop(slot.send(Ok(share)));
            }
            Output::Failed(nonce, failure) => {
                if let Some((_, slot)) = self.slots.remove(&nonce) {
                    let _ = slot.send(Err(failure));
                }
            }
            Output::Extended(nonce, valid_until) => {
                if let Some(lease) = self.leases.get(&nonce) {
                    lease.extend(valid_until);
                }
            }
            Output::Lost(nonce, loss) => {
                if let Some(lease) = self.leases.get(&nonce) {
                    report::lost(lease, loss);
                    lease.lose(loss);
                }
            }
            Output::Ended(nonce, held) => {
                if let Some(slot) = self.confirmations.remove(&nonce) {
                    let _ = slot.send(held);
                }
            }
            Output::StillWaiting { nonce, waited, busy } => {
                if let Some((key, _)) = self.slots.get(&nonce) {
                    report::still_waiting(key, waited, busy.as_ref());
                }
            }
            Output::Send(..) | Output::Reconnect | Output::WaitedFor(_) => {}
        }
    }
}
