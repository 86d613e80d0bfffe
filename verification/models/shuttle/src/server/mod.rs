//! A model of the link and its server behind the queues of a process: it grants the lock to one
//! request at a time and injects events.

mod mailbox;
mod request_log;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use distlock_runtime::verification::{
    Failure, FenceRange, Grant, KeyQueue, Loss, PendingGrant, ReleaseOutcome, RequestId,
    RequestParams, Timestamp, fence,
};
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread::{self, JoinHandle};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;

use crate::environment;
use crate::explore::block_on;
pub(crate) use mailbox::Mailbox;
use mailbox::Message;
use request_log::Fate;
pub(crate) use request_log::RequestLog;

/// What can happen to requests and holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// The next request fails.
    Fail,
    /// A renewal is confirmed.
    Extend,
    /// The hold is lost.
    Lose,
    /// Another process begins to wait.
    Contend,
    /// The idle hold is reclaimed.
    ReclaimIdle,
    /// The next timer fires.
    FireTimer,
    /// More time passes than the handoffs may take while others wait.
    PassTime,
}

/// The number of injected events is limited, so that a schedule ends.
const MAX_EVENTS: u32 = 6;
const TTL: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_millis(60);

/// The receiving end of the mailbox.
pub(crate) struct Server {
    messages: UnboundedReceiver<Message>,
    requests: Arc<RequestLog>,
    events: &'static [Event],
    /// How many events may still be injected.
    left: u32,
    active: BTreeMap<RequestId, (RequestParams, Arc<KeyQueue>)>,
    waiting: VecDeque<RequestId>,
    holder: Option<RequestId>,
    fences: u64,
    next_fails: bool,
    grants: Vec<PendingGrant>,
    timers: BTreeMap<(Timestamp, u64), Weak<KeyQueue>>,
    flushes: Vec<oneshot::Sender<()>>,
    stopping: bool,
}

impl Server {
    /// Starts the thread.
    pub(crate) fn start(
        requests: Arc<RequestLog>,
        events: &'static [Event],
    ) -> (Arc<Mailbox>, JoinHandle<()>) {
        let (sender, messages) = unbounded_channel();
        let thread = thread::spawn(move || {
            Self::new(messages, requests, events).run();
        });
        (Mailbox::new(sender), thread)
    }

    fn new(
        messages: UnboundedReceiver<Message>,
        requests: Arc<RequestLog>,
        events: &'static [Event],
    ) -> Self {
        Self {
            messages,
            requests,
            events,
            left: if events.is_empty() { 0 } else { thread_rng().gen_range(0..=MAX_EVENTS) },
            active: BTreeMap::new(),
            waiting: VecDeque::new(),
            holder: None,
            fences: 100,
            next_fails: false,
            grants: Vec::new(),
            timers: BTreeMap::new(),
            flushes: Vec::new(),
            stopping: false,
        }
    }

    /// Receives all messages, acts on them, delivers, sleeps.
    fn run(mut self) {
        loop {
            let mut busy = false;
            while let Ok(message) = self.messages.try_recv() {
                self.message(message);
                busy = true;
            }
            busy |= self.maybe_inject_event();
            busy |= self.decide();
            busy |= self.maybe_inject_event();
            busy |= !self.grants.is_empty();
            self.grants.drain(..).for_each(PendingGrant::deliver);
            if busy {
                continue;
            }
            if self.stopping {
                return self.stop();
            }
            self.answer_flushes();
            match block_on(self.messages.recv()) {
                Some(message) => self.message(message),
                None => return,
            }
        }
    }

    fn message(&mut self, message: Message) {
        match message {
            Message::Acquire(_, _, queue) if self.stopping => queue.close(Loss::Shutdown),
            Message::Acquire(request, replaces, queue) => {
                self.ask(request, replaces, queue);
            }
            Message::Release(id) => {
                self.end(id);
            }
            Message::ReleaseAndConfirm(id, slot) => {
                let held = self.end(id) == Fate::Held;
                let _ =
                    slot.send(if held { ReleaseOutcome::Held } else { ReleaseOutcome::NotHeld });
            }
            Message::SetTimer(at, number, queue) => {
                self.timers.insert((at, number), queue);
            }
            Message::CancelTimer(at, number) => {
                self.timers.remove(&(at, number));
            }
            Message::Flush(done) => {
                self.release_idle();
                self.flushes.push(done);
            }
            Message::Shutdown => self.shut_down(),
            Message::RunCallback(callback) => callback(),
        }
    }

    fn ask(&mut self, request: RequestParams, replaces: Option<RequestId>, queue: Arc<KeyQueue>) {
        let id = request.id;
        self.requests.requested(id, replaces, &queue);
        let position = replaces.and_then(|old| self.forget(old));
        self.waiting.insert(position.unwrap_or(self.waiting.len()), id);
        self.active.insert(id, (request, queue));
    }

    /// Removes a request. Returns its position in the queue.
    fn forget(&mut self, id: RequestId) -> Option<usize> {
        self.active.remove(&id);
        self.holder.take_if(|holder| *holder == id);
        let position = self.waiting.iter().position(|&other| other == id)?;
        self.waiting.remove(position);
        Some(position)
    }

    fn end(&mut self, id: RequestId) -> Fate {
        self.forget(id);
        if self.stopping { Fate::Released } else { self.requests.released(id) }
    }

    /// Grants or refuses the first request if the lock is free.
    fn decide(&mut self) -> bool {
        if self.holder.is_some() {
            return false;
        }
        let Some(id) = self.waiting.pop_front() else { return false };
        let (request, queue) = &self.active[&id];
        let (queue, size) = (Arc::clone(queue), request.fence_count);
        if std::mem::take(&mut self.next_fails) {
            self.requests.failed(id);
            self.active.remove(&id);
            queue.failed(environment::now(), id, Failure::NoReply);
            return true;
        }
        let fences = FenceRange::new(fence(self.fences), size);
        self.fences += u64::from(size);
        self.holder = Some(id);
        let now = environment::now();
        self.requests.held(id, now.plus(TTL));
        let grant = Grant { fences, contended: false };
        match queue.granted(now, id, grant, now.plus(TTL)) {
            Some(grant) => self.grants.push(grant),
            None => self.requests.refused(id),
        }
        true
    }

    /// Injects an event, or none.
    fn maybe_inject_event(&mut self) -> bool {
        if self.left == 0 || self.stopping || !thread_rng().gen_bool(0.5) {
            return false;
        }
        self.left -= 1;
        match self.events[thread_rng().gen_range(0..self.events.len())] {
            Event::Fail => self.next_fails = true,
            Event::Extend => self.extend(),
            Event::Lose => self.lose(),
            Event::Contend => self.contend(),
            Event::ReclaimIdle => self.release_idle(),
            Event::FireTimer => self.fire_timer(),
            Event::PassTime => environment::pass(LONG),
        }
        true
    }

    /// The queue whose request was granted, and its id.
    fn held(&self) -> Option<(RequestId, Arc<KeyQueue>)> {
        let id = self.holder.filter(|&id| self.requests.fate(id) == Fate::Held)?;
        Some((id, Arc::clone(&self.active.get(&id)?.1)))
    }

    fn extend(&self) {
        let Some((id, queue)) = self.held() else { return };
        let valid_until = environment::now().plus(TTL);
        self.requests.held(id, valid_until);
        queue.renewed(id, valid_until);
    }

    fn lose(&mut self) {
        let Some((id, queue)) = self.held() else { return };
        self.requests.loss_pending(id);
        self.holder = None;
        queue.lost(id, Loss::NotOnServer);
        self.requests.loss_reported(id);
    }

    fn contend(&self) {
        let first = self.holder.or(self.waiting.front().copied());
        if let Some((id, (_, queue))) = first.and_then(|name| self.active.get_key_value(&name)) {
            queue.contended(environment::now(), *id);
        }
    }

    fn release_idle(&self) {
        for (_, queue) in self.active.values() {
            queue.release_idle();
        }
    }

    fn fire_timer(&mut self) {
        let Some(((at, _), queue)) = self.timers.pop_first() else { return };
        environment::pass(at.since(environment::now()));
        if let Some(queue) = queue.upgrade() {
            queue.tick(environment::now(), |_| Failure::NoReply);
        }
    }

    fn answer_flushes(&mut self) {
        for done in self.flushes.drain(..) {
            let _ = done.send(());
        }
    }

    fn shut_down(&mut self) {
        self.stopping = true;
        let active = std::mem::take(&mut self.active);
        // The first request of a queue closes the whole queue.
        for &id in active.keys() {
            self.requests.loss_pending(id);
        }
        for (_, queue) in active.into_values() {
            queue.close(Loss::Shutdown);
        }
        self.waiting.clear();
        self.holder = None;
    }

    /// Answers the messages that arrived too late.
    fn stop(mut self) {
        self.messages.close();
        while let Some(message) = block_on(self.messages.recv()) {
            self.message(message);
        }
        self.answer_flushes();
    }
}
