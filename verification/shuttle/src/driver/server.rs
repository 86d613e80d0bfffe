//! A model of the I/O thread with the server behind it: grants to one at a time, and has events
//! befall who holds.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use distlock_runtime::verification::{
    Failure, FenceBlock, Grant, KeyQueue, Loss, Mailbox, Message, Nonce, PendingGrant, Request,
    TimerTarget, Timestamp, fence,
};
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::mpsc::SyncSender;
use shuttle::thread::{self, JoinHandle};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::ledger::{Fate, Ledger};
use crate::environment;
use crate::explore::block_on;

/// What may befall requests and holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// The next request fails.
    Fail,
    /// A renewal is confirmed.
    Extend,
    /// The hold is lost.
    Lose,
    /// Another process begins to wait.
    WaitFor,
    /// What is kept with nobody inside is asked back.
    GiveUpIdle,
    /// It is time for the next alarm.
    Ring,
    /// More time passes than a hold is handed on for while others wait.
    Pass,
}

/// So many events befall a schedule: it has to come to its end.
const MOST_EVENTS: u32 = 6;
const TTL: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_millis(60);

/// The end of the mailbox.
pub(crate) struct Server {
    messages: UnboundedReceiver<Message>,
    ledger: Arc<Ledger>,
    events: &'static [Event],
    /// How many events are still to come.
    left: u32,
    parties: BTreeMap<Nonce, (Request, Arc<KeyQueue>)>,
    asked: VecDeque<Nonce>,
    holder: Option<Nonce>,
    fences: u64,
    fails: bool,
    deliveries: Vec<PendingGrant>,
    alarms: BTreeMap<(Timestamp, u64), Weak<KeyQueue>>,
    flushes: Vec<SyncSender<()>>,
    stopping: bool,
}

impl Server {
    /// Starts the thread.
    pub(crate) fn start(
        ledger: Arc<Ledger>,
        events: &'static [Event],
    ) -> (Mailbox, JoinHandle<()>) {
        let (sender, messages) = unbounded_channel();
        let thread = thread::spawn(move || {
            Self::new(messages, ledger, events).run();
        });
        (Mailbox::new(sender), thread)
    }

    fn new(
        messages: UnboundedReceiver<Message>,
        ledger: Arc<Ledger>,
        events: &'static [Event],
    ) -> Self {
        Self {
            messages,
            ledger,
            events,
            left: if events.is_empty() { 0 } else { thread_rng().gen_range(0..=MOST_EVENTS) },
            parties: BTreeMap::new(),
            asked: VecDeque::new(),
            holder: None,
            fences: 100,
            fails: false,
            deliveries: Vec::new(),
            alarms: BTreeMap::new(),
            flushes: Vec::new(),
            stopping: false,
        }
    }

    /// As the loop of the runtime's I/O thread does: take in all there is, do what follows,
    /// deliver, sleep.
    fn run(mut self) {
        loop {
            let mut busy = false;
            while let Ok(message) = self.messages.try_recv() {
                self.message(message);
                busy = true;
            }
            busy |= self.befall();
            busy |= self.decide();
            busy |= self.befall();
            busy |= !self.deliveries.is_empty();
            self.deliveries.drain(..).for_each(PendingGrant::deliver);
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
            Message::AcquireForQueue(_, _, queue) if self.stopping => queue.close(Loss::Shutdown),
            Message::AcquireForQueue(request, replaces, queue) => {
                self.ask(*request, replaces, queue)
            }
            Message::Release(nonce) => {
                self.end(nonce);
            }
            Message::ReleaseAndConfirm(nonce, slot) => {
                let held = self.end(nonce) == Fate::Held;
                let _ = slot.send(Some(held).into());
            }
            Message::SetTimer(at, number, TimerTarget::Queue(queue)) => {
                self.alarms.insert((at, number), queue);
            }
            Message::CancelTimer(at, number) => {
                self.alarms.remove(&(at, number));
            }
            Message::Flush(done) => {
                self.release_idle();
                self.flushes.push(done);
            }
            Message::Shutdown(done) => {
                self.shut_down();
                drop(done);
            }
            Message::ResetMaxHold(..) | Message::EnsureTtl(..) | Message::Renew(..) => {}
            Message::RunCallback(callback) => callback(),
            _ => unreachable!("no model says this"),
        }
    }

    fn ask(&mut self, request: Request, replaces: Option<Nonce>, queue: Arc<KeyQueue>) {
        let nonce = request.nonce;
        self.ledger.asked(nonce, replaces, &queue);
        let place = replaces.and_then(|old| self.forget(old));
        self.asked.insert(place.unwrap_or(self.asked.len()), nonce);
        self.parties.insert(nonce, (request, queue));
    }

    /// A name is used no more; where it stood in the queue.
    fn forget(&mut self, nonce: Nonce) -> Option<usize> {
        self.parties.remove(&nonce);
        self.holder.take_if(|holder| *holder == nonce);
        let place = self.asked.iter().position(|&other| other == nonce)?;
        self.asked.remove(place);
        Some(place)
    }

    fn end(&mut self, nonce: Nonce) -> Fate {
        self.forget(nonce);
        if self.stopping { Fate::Ended } else { self.ledger.ended(nonce) }
    }

    /// Grants or refuses what was asked first, if the lock is free.
    fn decide(&mut self) -> bool {
        if self.holder.is_some() {
            return false;
        }
        let Some(nonce) = self.asked.pop_front() else { return false };
        let (request, queue) = &self.parties[&nonce];
        let (queue, size) = (Arc::clone(queue), request.block);
        if std::mem::take(&mut self.fails) {
            self.ledger.failed(nonce);
            self.parties.remove(&nonce);
            queue.failed(environment::now(), nonce, Failure::NoReply);
            return true;
        }
        let fences = FenceBlock::new(fence(self.fences), size);
        self.fences += u64::from(size);
        self.holder = Some(nonce);
        let now = environment::now();
        self.ledger.held(nonce, now.plus(TTL));
        let grant = Grant { fences, waited_for: false };
        match queue.granted(now, nonce, grant, now.plus(TTL)) {
            Some(delivery) => self.deliveries.push(delivery),
            None => self.ledger.refused(nonce),
        }
        true
    }

    /// Has an event happen, or none.
    fn befall(&mut self) -> bool {
        if self.left == 0 || self.stopping || !thread_rng().gen_bool(0.5) {
            return false;
        }
        self.left -= 1;
        match self.events[thread_rng().gen_range(0..self.events.len())] {
            Event::Fail => self.fails = true,
            Event::Extend => self.extend(),
            Event::Lose => self.lose(),
            Event::WaitFor => self.wait_for(),
            Event::GiveUpIdle => self.release_idle(),
            Event::Ring => self.ring(),
            Event::Pass => environment::pass(LONG),
        }
        true
    }

    /// The queue whose request the server granted, and its name.
    fn held(&self) -> Option<(Nonce, Arc<KeyQueue>)> {
        let nonce = self.holder.filter(|&nonce| self.ledger.fate(nonce) == Fate::Held)?;
        Some((nonce, Arc::clone(&self.parties.get(&nonce)?.1)))
    }

    fn extend(&self) {
        let Some((nonce, queue)) = self.held() else { return };
        let valid_until = environment::now().plus(TTL);
        self.ledger.held(nonce, valid_until);
        queue.renewed(nonce, valid_until);
    }

    fn lose(&mut self) {
        let Some((nonce, queue)) = self.held() else { return };
        self.ledger.losing(nonce);
        self.holder = None;
        queue.lost(nonce, Loss::Gone);
        self.ledger.told(nonce);
    }

    fn wait_for(&self) {
        let first = self.holder.or(self.asked.front().copied());
        if let Some((nonce, (_, queue))) = first.and_then(|name| self.parties.get_key_value(&name))
        {
            queue.contended(environment::now(), *nonce);
        }
    }

    fn release_idle(&self) {
        for (_, queue) in self.parties.values() {
            queue.release_idle();
        }
    }

    fn ring(&mut self) {
        let Some(((at, _), queue)) = self.alarms.pop_first() else { return };
        environment::pass(at.since(environment::now()));
        if let Some(queue) = queue.upgrade() {
            queue.tick(environment::now(), |_| Failure::NoReply);
        }
    }

    fn answer_flushes(&mut self) {
        for done in self.flushes.drain(..) {
            let _ = done.try_send(());
        }
    }

    fn shut_down(&mut self) {
        self.stopping = true;
        let parties = std::mem::take(&mut self.parties);
        // The first of them that a queue is known by ends all of it.
        for &nonce in parties.keys() {
            self.ledger.losing(nonce);
        }
        for (_, queue) in parties.into_values() {
            queue.close(Loss::Shutdown);
        }
        self.asked.clear();
        self.holder = None;
    }

    /// Whoever came too late is told so.
    fn stop(mut self) {
        self.messages.close();
        while let Some(message) = block_on(self.messages.recv()) {
            self.message(message);
        }
        self.answer_flushes();
    }
}
