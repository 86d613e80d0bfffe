//! One server: what it stores under the prefix, and the scripts, each of which is one step.
//!
//! Time is the number of ticks that are left: of a key, of a pause, of the validity of a hold. That
//! keeps the states finite.

use crate::Variant;

/// A fencing token.
pub type Token = u8;
/// The mark of a master, also its number.
pub type Mark = u8;
/// A request. Each belongs to one client.
pub type Request = u8;

/// How long a hold lasts without a renewal, and so the longest lease.
pub const TTL: u8 = 2;
/// What lies between the clocks of two masters at their promotion, in tokens: more than all that
/// one master draws.
pub const BETWEEN_PROMOTIONS: Token = 20;

/// The key of the fencing counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counter {
    /// Nothing is stored.
    Absent,
    /// A master draws tokens.
    Open {
        /// Which one.
        mark: Mark,
        /// The last token that was drawn.
        last: Token,
    },
    /// Nothing is granted for some time.
    Waiting {
        /// The master that waits.
        mark: Mark,
        /// Whether the data is that of an earlier master, so that holds may be re-claimed.
        /// Otherwise the data is lost.
        promoted: bool,
        /// How long.
        left: u8,
        /// The highest token known.
        highest: Token,
    },
}

/// The key of the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hold {
    /// Whose it is.
    pub request: Request,
    /// Its token.
    pub token: Token,
    /// When the key expires.
    pub left: u8,
}

/// What a server stores, and what its replica has of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Store {
    /// The fencing counters.
    pub counter: Counter,
    /// The lock.
    pub hold: Option<Hold>,
    /// Requests that are refused, one bit each.
    pub tombstones: u8,
}

/// What a client sends. `left` is what the hold is valid for if this succeeds, counted from the
/// instant at which it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// The end of the handshake.
    Open,
    /// Acquire the lock.
    Acquire {
        /// For this request.
        request: Request,
        /// The highest token that the client has seen.
        floor: Token,
        /// See above.
        left: u8,
    },
    /// Renew a hold.
    Renew {
        /// Of this request.
        request: Request,
        /// Its token.
        token: Token,
        /// See above.
        left: u8,
    },
    /// Set a hold again that a promotion lost.
    Reclaim {
        /// Of this request.
        request: Request,
        /// Its token.
        token: Token,
        /// See above.
        left: u8,
    },
    /// End a hold, or withdraw a request.
    Cancel {
        /// This request.
        request: Request,
        /// Whether an acquire or a re-claim may still arrive, and is to be refused.
        tombstone: bool,
    },
}

/// What the server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// The counter is open, or waits for this master.
    Opened,
    /// The lock is held from now on.
    Granted {
        /// Under this token.
        token: Token,
        /// What it is valid for.
        left: u8,
        /// Whether the replicas have it.
        confirmed: bool,
        /// Whether another master had replaced this one when it issued it.
        of_old: bool,
    },
    /// Ask again later.
    Busy,
    /// This connection has the mark of another master: connect again.
    Outdated,
    /// The hold is there.
    Renewed {
        /// What it is valid for.
        left: u8,
        /// Whether the replicas have it.
        confirmed: bool,
    },
    /// The hold is not there.
    NotHeld,
    /// It may not be set again.
    NotReclaimed,
    /// Not yet: an older hold is there. Its client may be about to repeat its release.
    OlderHold,
    /// The request is gone.
    Cancelled,
}

/// What a script did, for the properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing of interest.
    None,
    /// It drew this token for a grant.
    Drew(Token),
    /// It set a hold again under this token. Whether that of another request was there.
    Reclaimed(Token, bool),
}

/// What the client tells with each command.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// The mark that its connection read.
    pub mark: Mark,
    /// The highest token that it has seen.
    pub floor: Token,
}

/// The rules that a server follows.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Which variant of the protocol.
    pub variant: Variant,
    /// How long a promoted master grants nothing.
    pub grace: u8,
    /// Whether its clock is behind those of all masters before it.
    pub clock_behind: bool,
    /// Which master executes this.
    pub master: Mark,
}

impl Store {
    /// A server that has granted nothing yet.
    pub const NEW: Self =
        Self { counter: Counter::Open { mark: 0, last: 1 }, hold: None, tombstones: 0 };
    /// A server without data.
    pub const EMPTY: Self = Self { counter: Counter::Absent, hold: None, tombstones: 0 };

    /// One tick passes.
    pub fn tick(&mut self) {
        if let Counter::Waiting { left, .. } = &mut self.counter {
            *left = left.saturating_sub(1);
        }
        if let Some(hold) = &mut self.hold {
            hold.left -= 1;
        }
        self.hold = self.hold.filter(|hold| hold.left > 0);
    }

    /// Whether a tick changes anything.
    #[must_use]
    pub fn ticks(&self) -> bool {
        let waits = matches!(self.counter, Counter::Waiting { left: 1.., .. });
        waits || self.hold.is_some()
    }

    /// The highest token that is stored.
    #[must_use]
    pub fn highest(&self) -> Token {
        match self.counter {
            Counter::Absent => 0,
            Counter::Open { last, .. } => last,
            Counter::Waiting { highest, .. } => highest,
        }
    }

    /// Executes a command.
    pub fn execute(&mut self, rules: Rules, caller: Caller, command: Command) -> (Reply, Effect) {
        match command {
            Command::Open => {
                self.open(rules, caller);
                (Reply::Opened, Effect::None)
            }
            Command::Acquire { request, floor, left } => {
                self.acquire(rules, Caller { floor, ..caller }, request, left)
            }
            Command::Renew { request, token, left } => {
                (self.renew(request, token, left), Effect::None)
            }
            Command::Reclaim { request, token, left } => {
                self.reclaim(rules, caller, request, token, left)
            }
            Command::Cancel { request, tombstone } => {
                self.hold = self.hold.filter(|hold| hold.request != request);
                if tombstone {
                    self.tombstones |= 1 << request;
                }
                (Reply::Cancelled, Effect::None)
            }
        }
    }

    /// What each connection does first, unless the counter is its master's already.
    fn open(&mut self, rules: Rules, Caller { mark, floor }: Caller) {
        let variant = rules.variant;
        let floor = if variant == Variant::ReclaimForgotten { 0 } else { floor };
        let waits = |promoted, highest| {
            let left = if promoted { rules.grace } else { TTL };
            let left = if variant == Variant::GraceSkipped { 0 } else { left };
            Counter::Waiting { mark, promoted, left, highest }
        };
        self.counter = match self.counter {
            Counter::Open { mark: of, .. } if of == mark && variant != Variant::OpenedTwice => {
                self.counter
            }
            Counter::Waiting { mark: of, promoted, left, highest }
                if of == mark || variant == Variant::WaitOfAnotherMaster =>
            {
                Counter::Waiting { mark, promoted, left, highest: highest.max(floor) }
            }
            Counter::Open { last, .. } if variant == Variant::PromotionAsMigration => {
                Counter::Open { mark, last: jump(rules, last.max(floor)) - 1 }
            }
            Counter::Open { last, .. } => waits(true, last.max(floor)),
            Counter::Waiting { promoted, highest, .. } => waits(promoted, highest.max(floor)),
            Counter::Absent => waits(false, floor),
        }
    }

    fn acquire(
        &mut self,
        rules: Rules,
        caller: Caller,
        request: Request,
        left: u8,
    ) -> (Reply, Effect) {
        let granted = |token| Reply::Granted { token, left, confirmed: false, of_old: false };
        if self.tombstones & 1 << request != 0 {
            return (Reply::Busy, Effect::None);
        }
        if let Some(hold) = &mut self.hold {
            if hold.request != request {
                return (Reply::Busy, Effect::None);
            }
            hold.left = TTL;
            return (granted(hold.token), Effect::None);
        }
        match self.draw(rules, caller) {
            Ok(token) => {
                self.hold = Some(Hold { request, token, left: TTL });
                (granted(token), Effect::Drew(token))
            }
            Err(reply) => (reply, Effect::None),
        }
    }

    fn draw(&mut self, rules: Rules, Caller { mark, floor }: Caller) -> Result<Token, Reply> {
        match &mut self.counter {
            Counter::Open { mark: of, last } if *of == mark && *last + 1 > floor => {
                *last += 1;
                Ok(*last)
            }
            // The server lost data, and nobody noticed yet.
            &mut Counter::Open { mark: of, last } if of == mark => {
                let highest = last.max(floor);
                self.counter = Counter::Waiting { mark, promoted: false, left: TTL, highest };
                Err(Reply::Busy)
            }
            &mut Counter::Waiting { mark: of, left: 0, highest, .. } if of == mark => {
                let first = jump(rules, highest.max(floor));
                self.counter = Counter::Open { mark, last: first };
                Ok(first)
            }
            &mut Counter::Waiting { mark: of, .. } if of == mark => {
                if rules.variant == Variant::DrawNotUndone {
                    self.counter = Counter::Open { mark, last: 1 };
                }
                Err(Reply::Busy)
            }
            Counter::Absent => {
                let (promoted, left) = (false, TTL);
                self.counter = Counter::Waiting { mark, promoted, left, highest: floor };
                Err(Reply::Busy)
            }
            Counter::Open { .. } | Counter::Waiting { .. } => Err(Reply::Outdated),
        }
    }

    fn renew(&mut self, request: Request, token: Token, left: u8) -> Reply {
        match &mut self.hold {
            Some(hold) if (hold.request, hold.token) == (request, token) => {
                hold.left = TTL;
                Reply::Renewed { left, confirmed: false }
            }
            _ => Reply::NotHeld,
        }
    }

    fn reclaim(
        &mut self,
        rules: Rules,
        caller: Caller,
        request: Request,
        token: Token,
        left: u8,
    ) -> (Reply, Effect) {
        let variant = rules.variant;
        let refused = self.tombstones & 1 << request != 0;
        if refused && variant != Variant::ReclaimIgnoresTombstone {
            return (Reply::NotReclaimed, Effect::None);
        }
        let mine = |hold: &Hold| (hold.request, hold.token) == (request, token);
        let is_there = self.hold.as_ref().is_some_and(mine);
        let other = self.hold.filter(|hold| !mine(hold));
        let is_older = other.is_some_and(|hold| hold.token < token);
        let waits = match &mut self.counter {
            Counter::Waiting { mark, promoted: true, highest, .. } if *mark == caller.mark => {
                if variant != Variant::ReclaimForgotten {
                    *highest = (*highest).max(token);
                }
                true
            }
            Counter::Open { mark, .. } => {
                variant == Variant::ReclaimWithoutMark
                    || variant == Variant::ReclaimAfterDraw && *mark == caller.mark
            }
            _ => variant == Variant::ReclaimWithoutMark,
        };
        if !waits && !is_there {
            return (Reply::NotReclaimed, Effect::None);
        }
        let replaces = variant == Variant::ReclaimReplaces
            || variant == Variant::ReclaimReplacesOlder && is_older;
        if other.is_some() && !replaces {
            let reply = if is_older { Reply::OlderHold } else { Reply::NotReclaimed };
            return (reply, Effect::None);
        }
        self.hold = Some(Hold { request, token, left: TTL });
        // Of the variant that may replace an older hold it is asked what that leads to.
        let is_wrong = other.is_some() && variant != Variant::ReclaimReplacesOlder;
        let effect = if is_there { Effect::None } else { Effect::Reclaimed(token, is_wrong) };
        (Reply::Renewed { left, confirmed: false }, effect)
    }
}

/// The first token of a master after its pause: above all that are known, and past its clock.
fn jump(rules: Rules, known: Token) -> Token {
    let ignores_clock = rules.clock_behind || rules.variant == Variant::NoJump;
    let clock = if ignores_clock { 0 } else { rules.master * BETWEEN_PROMOTIONS };
    known.max(clock) + 1
}
