//! What callers ask of the I/O thread.

use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::Core;
use crate::driver::mailbox::Message;
use crate::protocol::Loss;
use crate::time::{self, Timestamp};

impl Core {
    /// Takes messages without asking to be woken for more: as long as this thread looks for them by itself, callers
    /// need not spend a system call on waking it.
    pub(super) fn take_messages(&mut self) -> bool {
        let mut any = false;
        while let Ok(message) = self.messages.try_recv() {
            self.message(message);
            any = true;
        }
        any
    }

    /// The last look before sleep; from here on a message wakes this thread.
    pub(super) fn poll_message(&mut self, context: &mut Context<'_>) -> bool {
        let Poll::Ready(Some(message)) = self.messages.poll_recv(context) else { return false };
        self.message(message);
        true
    }

    fn message(&mut self, message: Message) {
        let now = time::now();
        match message {
            Message::Request(_, slot) if self.stopping.is_some() => drop(slot),
            Message::Request(request, slot) => {
                self.slots.insert(request.nonce, (Arc::clone(&request.key), slot));
                self.machine.request(now, *request);
            }
            Message::End(nonce) => {
                self.slots.remove(&nonce);
                self.leases.remove(&nonce);
                self.machine.end(now, nonce);
            }
            Message::EndConfirmed(nonce, slot) => {
                self.leases.remove(&nonce);
                self.confirmations.insert(nonce, slot);
                self.machine.end(now, nonce);
            }
            Message::Lengthen(nonce, ttl) => self.machine.lengthen(now, nonce, ttl),
            Message::Inspect(key, slot) => self.inspections.push((key, slot)),
            Message::Alarm(at, slot) => {
                self.next_alarm += 1;
                self.alarms.insert((at, self.next_alarm), slot);
            }
            Message::Flush(done) => self.flushes.push(done),
            Message::Shutdown(done) => self.shutdown(now, done),
        }
    }

    fn shutdown(&mut self, now: Timestamp, done: Option<oneshot::Sender<()>>) {
        self.stopping.get_or_insert_default().extend(done);
        self.slots.clear();
        for (_, lease) in self.leases.drain() {
            lease.lose(Loss::Shutdown);
        }
        self.machine.end_all(now);
    }

    pub(super) fn ring(&mut self, now: Timestamp) {
        while self.alarms.first_key_value().is_some_and(|(&(at, _), _)| at <= now) {
            if let Some((_, slot)) = self.alarms.pop_first() {
                let _ = slot.send(());
            }
        }
    }

    pub(super) fn answer_flushes(&mut self) {
        if !self.flushes.is_empty() && !self.machine.is_ending() {
            for done in self.flushes.drain(..) {
                let _ = done.try_send(());
            }
        }
    }
}
