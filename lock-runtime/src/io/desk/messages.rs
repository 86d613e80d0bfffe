//! What callers ask of the I/O thread.

use std::sync::{Arc, Weak};

use tokio::sync::oneshot;

use crate::io::asked::MultiOutcome;
use crate::io::desk::{Dispatcher, Extension, LogTopic, PendingFlush};
use crate::io::mailbox::{Alarm, Message};
use crate::io::parties::{MultiRequest, Subscriber};
use crate::io::report;
use crate::local::actions::TickReport;
use crate::local::grant_channel::GrantSender;
use crate::local::key_queue::KeyQueue;
use crate::protocol::claim::{Loss, Request};
use crate::types::request_id::Nonce;
use crate::types::sync::mpsc::SyncSender;
use crate::types::time::Timestamp;
use crate::user_code;

impl Dispatcher {
    pub fn message(&mut self, now: Timestamp, message: Message) {
        self.lively = true;
        match message {
            Message::Request(_, slot) if self.stopping.is_some() => drop(slot),
            Message::Request(request, slot) => {
                let asking = Subscriber::Caller(Arc::clone(&request.key), slot);
                self.parties.insert(request.nonce, asking);
                self.machine.request(now, *request);
            }
            Message::Ask(_, _, queue) if self.stopping.is_some() => queue.close(Loss::Shutdown),
            Message::Ask(request, replaces, queue) => {
                self.parties.insert(request.nonce, Subscriber::Queue(queue));
                match replaces {
                    Some(old) => {
                        self.parties.remove(&old);
                        self.machine.replace(now, old, *request);
                    }
                    None => self.machine.request(now, *request),
                }
            }
            Message::RequestAll(_, slot) if self.stopping.is_some() => drop(slot),
            Message::RequestAll(requests, slot) => self.request_all(now, requests, slot),
            Message::Watch(wait, slot) => {
                self.machine.watch(now, wait.id);
                self.watched.insert(wait.id, (wait, slot));
            }
            Message::Unwatch(id) => {
                self.watched.remove(&id);
                self.machine.unwatch(id);
            }
            Message::ResetMaxHold(nonce, at) => self.machine.handed_on(at, nonce),
            Message::End(nonce) => {
                if let Some(Subscriber::GroupMember(_, first)) = self.parties.remove(&nonce) {
                    self.groups.remove(&first);
                }
                self.machine.end(now, nonce);
            }
            Message::EndConfirmed(nonce, slot) => {
                self.parties.remove(&nonce);
                self.confirmations.insert(nonce, slot);
                self.machine.end(now, nonce);
            }
            Message::Lengthen(nonce, ttl) => self.machine.lengthen(now, nonce, ttl),
            Message::Extend(nonce, ttl, slot) => {
                self.extend(now, Extension { nonce, ttl, end: now, slot });
            }
            Message::Call(callback) => user_code::call(callback),
            Message::Inspect(key, slot) => match self.machine.unreachable() {
                Some(failure) => drop(slot.send(Err(failure.clone()))),
                None => self.inspections.push((key, slot)),
            },
            Message::Alarm(at, number, alarm) => {
                self.alarms.insert((at, number), alarm);
            }
            Message::Disarm(at, number) => {
                self.alarms.remove(&(at, number));
            }
            Message::Flush(done) => self.flush(done),
            Message::FlushBarrier(done) => self.wait_for_ends(done),
            Message::Shutdown(done) => self.shutdown(now, done),
            #[cfg(test)]
            Message::Panic => panic!("asked for by a test"),
        }
    }

    fn flush(&mut self, done: SyncSender<()>) {
        for party in self.parties.values() {
            if let Subscriber::Queue(queue) = party {
                queue.release_idle();
            }
        }
        match self.mailbox.upgrade() {
            Some(mailbox) => mailbox.gave_up(done),
            // Nobody can post anything any more.
            None => self.wait_for_ends(done),
        }
    }

    fn wait_for_ends(&mut self, done: SyncSender<()>) {
        self.flushes.push(PendingFlush { done, left: self.machine.ending().collect() });
    }

    fn request_all(
        &mut self,
        now: Timestamp,
        requests: Vec<Request>,
        slot: GrantSender<MultiOutcome>,
    ) {
        let nonces: Vec<Nonce> = requests.iter().map(|request| request.nonce).collect();
        let Some(&first) = nonces.first() else { return };
        for request in &requests {
            let member = Subscriber::GroupMember(Arc::clone(&request.key), first);
            self.parties.insert(request.nonce, member);
        }
        self.groups.insert(first, MultiRequest { nonces, shares: Vec::new(), slot });
        self.machine.request_all(now, requests);
    }

    fn shutdown(&mut self, now: Timestamp, done: Option<oneshot::Sender<()>>) {
        self.stopping.get_or_insert_default().extend(done);
        self.lose_all(&Loss::Shutdown);
        self.machine.end_all(now);
    }

    /// Ends all waits, and notifies all holders that their holds are lost.
    pub fn lose_all(&mut self, loss: &Loss) {
        for (_, party) in self.parties.drain() {
            match party {
                Subscriber::Caller(..) | Subscriber::GroupMember(..) => {}
                Subscriber::Lease(lease, _) => lease.mark_lost(loss.clone()),
                Subscriber::Queue(queue) => queue.close(loss.clone()),
            }
        }
        self.groups.clear();
        self.extensions.clear();
        self.watched.clear();
    }

    pub fn ring(&mut self, now: Timestamp) {
        while self.alarms.first_key_value().is_some_and(|(&(at, _), _)| at <= now) {
            match self.alarms.pop_first() {
                Some((_, Alarm::Caller(slot))) => drop(slot.send(())),
                Some((_, Alarm::Queue(queue))) => self.tick_queue(now, &queue),
                None => {}
            }
        }
    }

    fn tick_queue(&mut self, now: Timestamp, queue: &Weak<KeyQueue>) {
        let Some(queue) = queue.upgrade() else { return };
        let TickReport { slow_waits, long_section, timed_out } =
            queue.tick(now, |nonce| self.machine.why_not(nonce));
        if timed_out > 0 {
            report::gave_up(queue.key(), timed_out);
        }
        if let Some(held) = long_section
            && self.may_tell(now, LogTopic::LongSection(Arc::clone(queue.key())))
        {
            report::held_here(queue.key(), &held);
        }
        // One line for all of them, with the longest wait.
        if let Some(longest) = slow_waits.into_iter().max_by_key(|long| long.waited)
            && self.may_tell(now, LogTopic::SlowWait(Arc::clone(queue.key())))
        {
            let calls = queue.waiter_count();
            report::still_waiting(queue.key(), calls, longest.waited, longest.busy.as_ref());
        }
    }
}
