//! Messages of callers, and timers.

use std::sync::{Arc, Weak};

use tokio::sync::oneshot;

use crate::io::dispatcher::{Dispatcher, Extension, LogTopic, PendingFlush};
use crate::io::mailbox::{Message, MultiOutcome, TimerTarget};
use crate::io::observe;
use crate::io::registry::{MultiRequest, Subscriber};
use crate::local::grant_channel::GrantSender;
use crate::local::key_queue::KeyQueue;
use crate::local::queue::TickReport;
use crate::protocol::request::{Loss, RequestParams};
use crate::types::request_id::RequestId;
use crate::types::sync::mpsc::SyncSender;
use crate::types::time::Timestamp;
use crate::user_code;

impl Dispatcher {
    pub fn message(&mut self, now: Timestamp, message: Message) {
        self.recent_activity = true;
        match message {
            Message::Acquire(_, sender) if self.shutdown_waiters.is_some() => drop(sender),
            Message::Acquire(request, sender) => {
                let asking = Subscriber::Caller(Arc::clone(&request.key), sender);
                self.subscribers.insert(request.id, asking);
                self.protocol.acquire(now, *request);
            }
            Message::AcquireForQueue(_, _, queue) if self.shutdown_waiters.is_some() => {
                queue.close(Loss::Shutdown);
            }
            Message::AcquireForQueue(request, replaces, queue) => {
                self.subscribers.insert(request.id, Subscriber::Queue(queue));
                match replaces {
                    Some(old) => {
                        self.subscribers.remove(&old);
                        self.protocol.replace(now, old, *request);
                    }
                    None => self.protocol.acquire(now, *request),
                }
            }
            Message::AcquireAll(_, sender) if self.shutdown_waiters.is_some() => drop(sender),
            Message::AcquireAll(requests, sender) => self.request_all(now, requests, sender),
            Message::RegisterWait(wait, sender) => {
                self.protocol.start_probing(now, wait.id);
                self.wait_registrations.insert(wait.id, (wait, sender));
            }
            Message::UnregisterWait(id) => {
                self.wait_registrations.remove(&id);
                self.protocol.stop_probing(id);
            }
            Message::ResetMaxHold(id, at) => self.protocol.record_handoff(at, id),
            Message::Release(id) => {
                if let Some(Subscriber::GroupMember(_, first)) = self.subscribers.remove(&id) {
                    self.multi_requests.remove(&first);
                }
                self.protocol.release(now, id);
            }
            Message::ReleaseAndConfirm(id, sender) => {
                self.subscribers.remove(&id);
                self.confirmations.insert(id, sender);
                self.protocol.release(now, id);
            }
            Message::EnsureTtl(id, ttl) => self.protocol.raise_ttl(now, id, ttl),
            Message::Renew(id, ttl, sender) => {
                self.extend(now, Extension { id, ttl, end: now, sender });
            }
            Message::RunCallback(callback) => user_code::call(callback),
            Message::Inspect(key, sender) => match self.protocol.unreachable() {
                Some(failure) => drop(sender.send(Err(failure.clone()))),
                None => self.inspections.push((key, sender)),
            },
            Message::SetTimer(at, number, timer) => {
                self.timers.insert((at, number), timer);
            }
            Message::CancelTimer(at, number) => {
                self.timers.remove(&(at, number));
            }
            Message::Flush(done) => self.flush(done),
            Message::FlushBarrier(done) => self.wait_for_releases(done),
            Message::Shutdown(done) => self.shutdown(now, done),
            #[cfg(test)]
            Message::Panic => panic!("asked for by a test"),
        }
    }

    fn flush(&mut self, done: SyncSender<()>) {
        for subscriber in self.subscribers.values() {
            if let Subscriber::Queue(queue) = subscriber {
                queue.release_idle();
            }
        }
        match self.mailbox.upgrade() {
            Some(mailbox) => mailbox.flush_barrier(done),
            // No caller is left that could send anything.
            None => self.wait_for_releases(done),
        }
    }

    fn wait_for_releases(&mut self, done: SyncSender<()>) {
        self.flushes.push(PendingFlush { done, left: self.protocol.releasing().collect() });
    }

    fn request_all(
        &mut self,
        now: Timestamp,
        requests: Vec<RequestParams>,
        sender: GrantSender<MultiOutcome>,
    ) {
        let ids: Vec<RequestId> = requests.iter().map(|request| request.id).collect();
        let Some(&first) = ids.first() else { return };
        for request in &requests {
            let member = Subscriber::GroupMember(Arc::clone(&request.key), first);
            self.subscribers.insert(request.id, member);
        }
        self.multi_requests.insert(first, MultiRequest { ids, lease_refs: Vec::new(), sender });
        self.protocol.acquire_all(now, requests);
    }

    fn shutdown(&mut self, now: Timestamp, done: Option<oneshot::Sender<()>>) {
        self.shutdown_waiters.get_or_insert_default().extend(done);
        self.lose_all(&Loss::Shutdown);
        self.protocol.release_all(now);
    }

    /// Ends all waits and reports all leases as lost.
    pub fn lose_all(&mut self, loss: &Loss) {
        for (_, subscriber) in self.subscribers.drain() {
            match subscriber {
                Subscriber::Caller(..) | Subscriber::GroupMember(..) => {}
                Subscriber::Lease(lease, _) => lease.mark_lost(loss.clone()),
                Subscriber::Queue(queue) => queue.close(loss.clone()),
            }
        }
        self.multi_requests.clear();
        self.extensions.clear();
        self.wait_registrations.clear();
    }

    pub fn fire_timers(&mut self, now: Timestamp) {
        while self.timers.first_key_value().is_some_and(|(&(at, _), _)| at <= now) {
            match self.timers.pop_first() {
                Some((_, TimerTarget::Caller(sender))) => drop(sender.send(())),
                Some((_, TimerTarget::Queue(queue))) => self.tick_queue(now, &queue),
                None => {}
            }
        }
    }

    fn tick_queue(&mut self, now: Timestamp, queue: &Weak<KeyQueue>) {
        let Some(queue) = queue.upgrade() else { return };
        let TickReport { slow_waits, long_section, timed_out } =
            queue.tick(now, |id| self.protocol.blocked_by(id));
        if timed_out > 0 {
            observe::timed_out(queue.key(), timed_out);
        }
        if let Some(held) = long_section
            && self.should_log(now, LogTopic::LongSection(Arc::clone(queue.key())))
        {
            observe::long_section(queue.key(), &held);
        }
        // One log line for all of them, with the longest wait.
        if let Some(longest) = slow_waits.into_iter().max_by_key(|long| long.waited)
            && self.should_log(now, LogTopic::SlowWait(Arc::clone(queue.key())))
        {
            let calls = queue.waiter_count();
            observe::still_waiting(queue.key(), calls, longest.waited, longest.busy.as_ref());
        }
    }
}
