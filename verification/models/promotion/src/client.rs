//! One client: its connection, and what it does at each reply.

use crate::Variant;
use crate::server::{Command, Mark, Reply, Request, TTL, Token};

/// What is under way on a connection, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    /// The server has not executed it yet.
    Command(Command),
    /// The client has not received it yet. Which request it is about.
    Reply(Request, Reply),
}

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Nothing.
    Idle,
    /// It waits for the lock.
    Waiting(Request),
    /// It holds the lock, as far as it knows.
    Held {
        /// By this request.
        request: Request,
        /// Its token.
        token: Token,
        /// How long the hold is valid; zero: it is lost.
        valid: u8,
        /// The master that confirmed it last.
        by: Mark,
        /// An older hold was in its place at a promoted master.
        older_hold: bool,
    },
}

/// A client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    /// The master that its connection is to.
    pub to: Option<Mark>,
    /// Whether the handshake is done.
    pub ready: bool,
    /// The master of the handshake before.
    pub before: Mark,
    /// What is under way on the connection.
    pub wire: Vec<Item>,
    /// What an earlier connection may still deliver, and to which master.
    pub late: Vec<(Mark, Command)>,
    /// What it does.
    pub phase: Phase,
    /// The highest token that it has seen.
    pub floor: Token,
    /// Its next request.
    pub next: Request,
    /// Requests of which an acquire or a re-claim may arrive late, one bit each.
    pub may_arrive_late: u8,
    /// Requests that it ended.
    pub ended: u8,
    /// Ends that no reply confirmed before the connection was lost.
    pub unconfirmed: u8,
    /// How often it may lose a connection that works, or connect to a master of before.
    pub mishaps: u8,
}

const fn bit(request: Request) -> u8 {
    1 << request
}

impl Client {
    /// A client that is connected to the first master.
    pub(crate) const fn new(first: Request, mishaps: u8) -> Self {
        Self {
            to: Some(0),
            ready: true,
            before: 0,
            wire: Vec::new(),
            late: Vec::new(),
            phase: Phase::Idle,
            floor: 0,
            next: first,
            may_arrive_late: 0,
            ended: 0,
            unconfirmed: 0,
            mishaps,
        }
    }

    /// The request that it waits for or holds the lock by.
    pub(crate) const fn request(&self) -> Option<Request> {
        match self.phase {
            Phase::Idle => None,
            Phase::Waiting(request) | Phase::Held { request, .. } => Some(request),
        }
    }

    /// Which master confirmed the hold that is valid.
    pub(crate) const fn holds_by(&self) -> Option<Mark> {
        match self.phase {
            Phase::Held { valid: 1.., by, .. } => Some(by),
            _ => None,
        }
    }

    /// Whether the end of this request is under way.
    pub(crate) fn is_ending(&self, of: Request) -> bool {
        let ends = |item: &Item| match item {
            Item::Command(Command::Cancel { request, .. }) => *request == of,
            _ => false,
        };
        self.unconfirmed & bit(of) != 0 || self.wire.iter().any(ends)
    }

    pub(crate) fn tick(&mut self) {
        for item in &mut self.wire {
            match item {
                Item::Command(command) => tick(command),
                Item::Reply(_, Reply::Granted { left, .. } | Reply::Renewed { left, .. }) => {
                    *left = left.saturating_sub(1);
                }
                Item::Reply(..) => {}
            }
        }
        for (_, command) in &mut self.late {
            tick(command);
        }
        if let Phase::Held { valid, .. } = &mut self.phase {
            *valid = valid.saturating_sub(1);
        }
    }

    /// Whether the connection is ready and has room for one more command.
    pub(crate) const fn can_send(&self) -> bool {
        self.ready && self.wire.len() < 2
    }

    fn send(&mut self, command: Command) {
        self.wire.push(Item::Command(command));
    }

    /// Asks for the lock, or again whether it is its turn.
    pub(crate) fn ask(&mut self, request: Request) {
        self.phase = Phase::Waiting(request);
        self.next = self.next.max(request + 1);
        self.send(Command::Acquire { request, floor: self.floor, left: TTL });
    }

    pub(crate) fn renew(&mut self) {
        if let Phase::Held { request, token, .. } = self.phase {
            self.send(Command::Renew { request, token, left: TTL });
        }
    }

    /// Ends the hold or the wait.
    pub(crate) fn end(&mut self) {
        let Some(request) = self.request() else { return };
        self.ended |= bit(request);
        self.phase = Phase::Idle;
        if self.ready {
            self.cancel(request, false);
        } else {
            self.unconfirmed |= bit(request);
        }
    }

    fn cancel(&mut self, request: Request, repeated: bool) {
        let tombstone = !repeated && self.may_arrive_late & bit(request) != 0;
        self.send(Command::Cancel { request, tombstone });
    }

    pub(crate) fn connect(&mut self, to: Mark) {
        self.to = Some(to);
        self.send(Command::Open);
    }

    /// The connection is lost. What the server has not executed may still arrive there.
    pub(crate) fn disconnect(&mut self, variant: Variant) {
        let Some(to) = self.to.take() else { return };
        self.ready = false;
        self.late.clear();
        for item in std::mem::take(&mut self.wire) {
            let about = match item {
                Item::Command(Command::Open) => continue,
                Item::Command(command) => {
                    self.late.push((to, command));
                    match command {
                        Command::Acquire { request, .. } | Command::Reclaim { request, .. } => {
                            self.may_arrive_late |= bit(request);
                            continue;
                        }
                        Command::Cancel { request, .. } => request,
                        Command::Open | Command::Renew { .. } => continue,
                    }
                }
                Item::Reply(request, Reply::Cancelled) => request,
                // It is not known that it was executed.
                Item::Reply(request, Reply::Granted { .. } | Reply::Busy) => {
                    self.may_arrive_late |= bit(request);
                    continue;
                }
                Item::Reply(..) => continue,
            };
            if variant != Variant::ReleaseOfOldConnection {
                self.unconfirmed |= bit(about);
            }
        }
    }

    /// Receives the first reply. `asks_again`: for a grant that took a tick or more, on another
    /// connection.
    pub(crate) fn receive(&mut self, variant: Variant, asks_again: bool) {
        let Item::Reply(of, reply) = self.wire.remove(0) else { return };
        let Some(to) = self.to else { return };
        match reply {
            Reply::Opened => self.opened(variant, to),
            Reply::Outdated => self.disconnect(variant),
            Reply::Busy | Reply::Cancelled => {}
            Reply::Granted { left, .. } if asks_again && left < TTL => {
                self.may_arrive_late |= bit(of);
                self.disconnect(variant);
            }
            Reply::Granted { token, left, confirmed, .. } => {
                self.floor = self.floor.max(token);
                if self.phase == Phase::Waiting(of) && left > 0 && confirmed {
                    let (request, valid, by) = (of, left, to);
                    self.phase = Phase::Held { request, token, valid, by, older_hold: false };
                }
            }
            Reply::Renewed { left, confirmed } => {
                if let Phase::Held { request, valid, by, .. } = &mut self.phase
                    && (*request, confirmed) == (of, true)
                    && *valid > 0
                {
                    let from_reply = variant == Variant::ValidityFromReply;
                    *valid = (*valid).max(if from_reply { TTL } else { left });
                    *by = to;
                }
            }
            // It asks again, by a renewal.
            Reply::OlderHold => {
                if let Phase::Held { request, older_hold, .. } = &mut self.phase {
                    *older_hold |= *request == of;
                }
            }
            Reply::NotHeld | Reply::NotReclaimed => {
                let Phase::Held { request, token, valid, by, .. } = self.phase else { return };
                if request != of {
                    return;
                }
                if reply == Reply::NotHeld && by != to && valid > 0 {
                    return self.send(Command::Reclaim { request, token, left: TTL });
                }
                // Lost. An acquire or a re-claim that arrives late must not make it again.
                self.phase = Phase::Idle;
                if self.may_arrive_late & bit(of) != 0 {
                    self.cancel(of, false);
                }
            }
        }
    }

    /// The handshake is done. A promotion may have brought back holds that this client ended.
    fn opened(&mut self, variant: Variant, to: Mark) {
        self.ready = true;
        let mut repeated = self.ended & !self.unconfirmed;
        if self.before == to || variant == Variant::ReleasesNotRepeated {
            repeated = 0;
        }
        self.before = to;
        let unconfirmed = std::mem::take(&mut self.unconfirmed);
        for request in 0..8 {
            if (repeated | unconfirmed) & bit(request) != 0 {
                self.cancel(request, unconfirmed & bit(request) == 0);
            }
        }
    }
}

fn tick(command: &mut Command) {
    if let Command::Acquire { left, .. }
    | Command::Renew { left, .. }
    | Command::Reclaim { left, .. } = command
    {
        *left = left.saturating_sub(1);
    }
}
