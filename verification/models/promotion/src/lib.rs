//! The promotion protocol, as a model that is checked in all its states.
//!
//! A replica lags behind its master. When it is promoted, what it has not received is lost: holds,
//! releases, and tokens that were drawn. The protocol keeps tokens rising, lets holders re-claim
//! what was lost, and grants nothing to others meanwhile.
//!
//! The model has one key, two or three clients, and up to three masters in turn. Each script is one
//! step. Commands and replies take as long as they like; a connection may be lost at any moment,
//! and what was sent on it may still arrive. The replica has the state that its master had at some
//! moment. The old master is dead, or goes on granting. Time passes in ticks: a ttl is two of them.
//!
//! Not modelled: the queue and pushed grants, which draw like an acquire; a flush, which the
//! simulation covers.

#![forbid(unsafe_code)]

pub mod client;
pub mod server;

use stateright::{Model, Property};

use crate::client::{Client, Item, Phase};
use crate::server::{
    BETWEEN_PROMOTIONS as BETWEEN, Caller, Command, Effect, Mark, Reply, Request, Rules, Store,
    Token,
};

/// The protocol, or one that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The right one.
    Right,
    /// A promoted master goes on from the tokens that it knows, without a look at its clock.
    NoJump,
    /// A re-claim does not test whether the master has drawn tokens.
    ReclaimWithoutMark,
    /// A re-claim is accepted after the master has drawn tokens.
    ReclaimAfterDraw,
    /// Neither a connection nor a re-claim tells the master of tokens that it does not know.
    ReclaimForgotten,
    /// A re-claim replaces the hold of another.
    ReclaimReplaces,
    /// A re-claim replaces the hold of another that has a lower token: where the old master drew
    /// the higher one, that hold had ended.
    ReclaimReplacesOlder,
    /// A re-claim ignores that its request was cancelled.
    ReclaimIgnoresTombstone,
    /// A promoted master grants at once.
    GraceSkipped,
    /// A promotion is taken for a migration of the data, which needs no pause.
    PromotionAsMigration,
    /// The pause of an earlier master counts for the next one.
    WaitOfAnotherMaster,
    /// The counter is opened again although its master has drawn tokens.
    OpenedTwice,
    /// A draw that failed leaves its number in the counter.
    DrawNotUndone,
    /// Releases are not repeated to a promoted master.
    ReleasesNotRepeated,
    /// A release whose connection was lost counts as done.
    ReleaseOfOldConnection,
    /// A hold is valid from the reply to its renewal on, not from when that was sent.
    ValidityFromReply,
    /// A client connects again to a master that it left for another, and tells it of its tokens.
    OldMasterAgain,
    /// A grant that comes late is shown, although its master may have been replaced.
    LateGrantShown,
}

/// What is explored.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each may be combined with the others")]
pub struct Promotion {
    /// Which protocol.
    pub variant: Variant,
    /// How many clients.
    pub clients: u8,
    /// How many requests each makes.
    pub requests: u8,
    /// How many masters there are in turn.
    pub masters: u8,
    /// How often the first client may lose a connection that works, or connect to an old master.
    pub mishaps: u8,
    /// How many grants more than requests each master issues: those that expire unheard.
    pub more_draws: u8,
    /// Whether clients stop waiting.
    pub gives_up: bool,
    /// How long a promoted master grants nothing; the strict setting is [`server::TTL`].
    pub grace: u8,
    /// Whether the promoted replica may lack something.
    pub lossy: bool,
    /// Whether the promoted replica has never received anything.
    pub empty: bool,
    /// Whether the old master goes on.
    pub stale: bool,
    /// Whether the old master stands still for a tick, goes on with what lies in its sockets, and
    /// hears nothing more. Clients ask again for a grant that took as long.
    pub stands_still: bool,
    /// Whether a grant and a renewal count only if the replica has them.
    pub confirm: bool,
    /// Whether to check exclusion also where it is not promised.
    pub promise_all: bool,
    /// Whether the clock of a promoted master is behind those of all before it.
    pub clock_behind: bool,
}

impl Promotion {
    /// Two clients with one request each, and one lossy promotion; the old master is dead.
    pub const SMALL: Self = Self {
        variant: Variant::Right,
        clients: 2,
        requests: 1,
        masters: 2,
        mishaps: 0,
        more_draws: 0,
        gives_up: false,
        grace: 1,
        lossy: true,
        empty: false,
        stale: false,
        stands_still: false,
        confirm: false,
        promise_all: false,
        clock_behind: false,
    };

    const fn rules(&self, master: Mark) -> Rules {
        let Self { variant, grace, clock_behind, .. } = *self;
        Rules { variant, grace, clock_behind, master }
    }

    /// Whether the protocol promises exclusion among all valid holders.
    const fn excludes(&self) -> bool {
        self.promise_all
            || self.confirm
            || !self.stale && (!self.lossy || self.grace >= server::TTL)
            || !self.stale && self.empty
    }

    /// Whether a promoted master may have a hold that ended before another one was granted.
    const fn loses_releases(&self) -> bool {
        let replaces = matches!(self.variant, Variant::ReclaimReplacesOlder);
        self.lossy && !self.empty && !self.confirm && !replaces
    }
}

/// A server, and what the properties need to know of its past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Master {
    /// What it stores.
    pub store: Store,
    /// Whether it executes commands.
    pub runs: bool,
    /// Whether it does so after the next tick.
    pub wakes: bool,
    /// The lowest token that it drew for a grant; zero: none yet.
    pub lowest: Token,
    /// The highest token that it drew, was shown in a re-claim, or had when it was promoted.
    pub highest: Token,
}

impl Master {
    const fn goes_on(&self) -> bool {
        self.runs || self.wakes
    }
}

/// What must not happen, noticed while a script ran.
#[expect(clippy::struct_excessive_bools, reason = "each is a property of its own")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Wrongs {
    /// A master drew a token that is not above all before.
    pub order: bool,
    /// A hold was re-claimed after a grant of this master, or in the place of another one.
    pub reclaim: bool,
    /// A client was shown a grant that the old master issued after the promotion.
    pub shown: bool,
    /// The same, of an old master that had stood still.
    pub late: bool,
}

/// A state of the whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// All masters, of before and to be.
    pub masters: Vec<Master>,
    /// Which of them it is now; the next one is its replica.
    pub current: Mark,
    /// The clients.
    pub clients: Vec<Client>,
    /// What went wrong.
    pub wrongs: Wrongs,
}

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the steps say it")]
pub enum Action {
    Ask(u8),
    GiveUp(u8),
    Renew(u8),
    Release(u8),
    Execute(u8),
    ExecuteLate(u8),
    Receive(u8),
    Disconnect(u8),
    Connect(u8, Mark),
    Replicate,
    Promote,
    Tick,
}

impl Action {
    /// Whether it happens by itself in a cluster that works, and no client gives up.
    #[must_use]
    pub const fn is_progress(self) -> bool {
        !matches!(self, Self::GiveUp(_) | Self::ExecuteLate(_) | Self::Replicate | Self::Promote)
    }
}

impl Model for Promotion {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let first = Master { store: Store::NEW, runs: true, wakes: false, lowest: 0, highest: 1 };
        let masters = (0..self.masters).map(|_| first).collect();
        let client = |number: u8| {
            let mishaps = if number == 0 { self.mishaps } else { 0 };
            Client::new(number * self.requests, mishaps)
        };
        let clients = (0..self.clients).map(client).collect();
        let wrongs = Wrongs::default();
        vec![State { masters, current: 0, clients, wrongs }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (number, client) in (0..).zip(&state.clients) {
            self.client_actions(state, number, client, actions);
        }
        let has_replica = state.current + 1 < self.masters;
        if has_replica {
            let [master, replica] =
                [0, 1].map(|next| state.masters[usize::from(state.current + next)].store);
            if self.lossy && master != replica && !self.empty {
                actions.push(Action::Replicate);
            }
            actions.push(Action::Promote);
        }
        let ticks = |client: &Client| {
            let counts = |item: &Item| !matches!(item, Item::Reply(_, Reply::Busy));
            client.holds_by().is_some() || client.wire.iter().any(counts)
        };
        if state.masters.iter().any(|master| master.store.ticks())
            || state.clients.iter().any(ticks)
        {
            actions.push(Action::Tick);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Ask(number) => {
                let client = &mut state.clients[usize::from(number)];
                client.ask(client.request().unwrap_or(client.next));
            }
            Action::GiveUp(number) | Action::Release(number) => {
                state.clients[usize::from(number)].end();
            }
            Action::Renew(number) => state.clients[usize::from(number)].renew(),
            Action::Execute(number) => {
                let client = &state.clients[usize::from(number)];
                let at = client.wire.iter().position(|item| matches!(item, Item::Command(_)))?;
                let (Item::Command(command), Some(to)) = (client.wire[at], client.to) else {
                    return None;
                };
                let (of, reply) = self.execute(&mut state, number, to, command);
                let client = &mut state.clients[usize::from(number)];
                client.wire[at] = Item::Reply(of, reply);
                // Only a delay of these matters, or one of the next command.
                let granted = matches!(reply, Reply::Granted { .. } | Reply::Renewed { .. });
                if at == 0 && !granted {
                    client.receive(self.variant, false);
                }
            }
            Action::ExecuteLate(number) => {
                let (to, command) = state.clients[usize::from(number)].late.remove(0);
                self.execute(&mut state, number, to, command);
            }
            Action::Receive(number) => {
                let client = &mut state.clients[usize::from(number)];
                let held = client.holds_by().is_some();
                let of_old = matches!(
                    client.wire.first(),
                    Some(Item::Reply(_, Reply::Granted { of_old: true, .. }))
                );
                let asks_again = self.stands_still && self.variant != Variant::LateGrantShown;
                client.receive(self.variant, asks_again);
                let shown = !held && client.holds_by().is_some();
                state.wrongs.late |= shown && of_old;
                state.wrongs.shown |= shown && client.to != Some(state.current) && {
                    let known = state.masters[usize::from(state.current)].store.hold;
                    known.map(|hold| hold.request) != client.request()
                };
            }
            Action::Disconnect(number) => {
                let client = &mut state.clients[usize::from(number)];
                client.mishaps -= u8::from(client.to == Some(state.current));
                client.disconnect(self.variant);
                client.late.retain(|&(to, _)| state.masters[usize::from(to)].goes_on());
            }
            Action::Connect(number, to) => {
                let client = &mut state.clients[usize::from(number)];
                client.mishaps -= u8::from(to != state.current);
                client.connect(to);
            }
            Action::Replicate => {
                let current = usize::from(state.current);
                state.masters[current + 1].store = state.masters[current].store;
            }
            Action::Promote => self.promote(&mut state),
            Action::Tick => {
                for master in &mut state.masters {
                    master.store.tick();
                    master.runs |= std::mem::take(&mut master.wakes);
                }
                for client in &mut state.clients {
                    client.tick();
                }
            }
        }
        Some(state)
    }

    /// A grant that expires before its client hears of it is drawn again, without end.
    fn within_boundary(&self, state: &State) -> bool {
        let most = self.clients * self.requests + self.more_draws;
        (0..).zip(&state.masters).all(|(number, master)| {
            let clock = if self.clock_behind { number * most } else { number * BETWEEN };
            master.lowest == 0 || master.highest <= clock.max(1) + most
        })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::<Self>::always("tokens of a master rise", |_, state| !state.wrongs.order),
            Property::<Self>::always("a re-claim is alone", |_, state| !state.wrongs.reclaim),
            Property::<Self>::always("holders by one master exclude each other", |_, state| {
                let by = state.clients.iter().filter_map(Client::holds_by);
                let mut by: Vec<Mark> = by.collect();
                let holders = by.len();
                by.sort_unstable();
                by.dedup();
                holders == by.len()
            }),
            Property::<Self>::always("ended holds do not come back", |_, state| !state.has_ghost()),
            Property::<Self>::sometimes("a hold outlives a promotion", |model, state| {
                let lasts = state.clients.iter().any(|client| client.holds_by() > Some(0));
                model.empty || lasts && state.masters.iter().skip(1).all(|next| next.lowest == 0)
            }),
            Property::<Self>::sometimes("a promoted master grants", |_, state| {
                state.masters.last().is_some_and(|master| master.lowest > 0)
            }),
        ];
        if self.loses_releases() {
            properties.push(Property::sometimes(
                "a hold is put back once an older one is gone",
                |_, state: &State| {
                    state.clients.iter().any(|client| match client.phase {
                        Phase::Held { valid: 1.., by, older_hold, .. } => {
                            older_hold && by == state.current
                        }
                        _ => false,
                    })
                },
            ));
        }
        if !self.clock_behind {
            properties.push(Property::always(
                "tokens rise across promotions",
                |_, state: &State| {
                    let masters = &state.masters;
                    (1..masters.len()).all(|next| {
                        let lowest = masters[next].lowest;
                        let before = masters[..next].iter().map(|master| master.highest).max();
                        lowest == 0 || before < Some(lowest)
                    })
                },
            ));
        }
        if self.excludes() {
            properties.push(Property::always("holders exclude each other", |_, state: &State| {
                state.clients.iter().filter(|client| client.holds_by().is_some()).count() <= 1
            }));
        }
        if self.stands_still {
            properties.push(Property::always("no late grant is shown", |_, state: &State| {
                !state.wrongs.late
            }));
        }
        if self.confirm {
            properties.push(Property::always("no stale grant is shown", |_, state: &State| {
                !state.wrongs.shown
            }));
        }
        properties
    }
}

impl Promotion {
    fn client_actions(
        &self,
        state: &State,
        number: u8,
        client: &Client,
        actions: &mut Vec<Action>,
    ) {
        let last = (number + 1) * self.requests;
        let hears = !self.stands_still || client.to == Some(state.current);
        let asks_again = client.wire.is_empty() && hears;
        match client.phase {
            Phase::Idle if client.next < last && client.can_send() && hears => {
                actions.push(Action::Ask(number));
            }
            Phase::Idle => {}
            Phase::Waiting(_) => {
                if client.ready && asks_again {
                    actions.push(Action::Ask(number));
                }
                if self.gives_up {
                    actions.push(Action::GiveUp(number));
                }
            }
            Phase::Held { valid, by, .. } => {
                let is_due = valid < server::TTL || client.to != Some(by);
                if valid > 0 && client.ready && asks_again && is_due {
                    actions.push(Action::Renew(number));
                }
                actions.push(Action::Release(number));
            }
        }
        let executes = client.to.is_some_and(|to| state.masters[usize::from(to)].runs);
        if executes && client.wire.iter().any(|item| matches!(item, Item::Command(_))) {
            actions.push(Action::Execute(number));
        }
        if let Some(Item::Reply(..)) = client.wire.first() {
            actions.push(Action::Receive(number));
        }
        if client.late.first().is_some_and(|&(to, _)| state.masters[usize::from(to)].runs) {
            actions.push(Action::ExecuteLate(number));
        }
        match client.to {
            Some(to) if to != state.current || client.mishaps > 0 => {
                actions.push(Action::Disconnect(number));
            }
            Some(_) => {}
            None => {
                actions.push(Action::Connect(number, state.current));
                let runs = |&old: &Mark| state.masters[usize::from(old)].runs && !self.stands_still;
                // It never returns to a master that it left for another.
                let returns = self.variant == Variant::OldMasterAgain;
                let first = if returns { 0 } else { client.before };
                let old = (first..state.current).filter(runs).filter(|_| client.mishaps > 0);
                actions.extend(old.map(|old| Action::Connect(number, old)));
            }
        }
    }

    fn execute(
        &self,
        state: &mut State,
        number: u8,
        to: Mark,
        command: Command,
    ) -> (Request, Reply) {
        let caller = Caller { mark: to, floor: state.clients[usize::from(number)].floor };
        let of = match command {
            Command::Open => 0,
            Command::Acquire { request, .. }
            | Command::Renew { request, .. }
            | Command::Reclaim { request, .. }
            | Command::Cancel { request, .. } => request,
        };
        let master = &mut state.masters[usize::from(to)];
        let (mut reply, effect) = master.store.execute(self.rules(to), caller, command);
        match effect {
            Effect::None => {}
            Effect::Drew(token) => {
                state.wrongs.order |= token <= master.highest;
                master.highest = master.highest.max(token);
                if master.lowest == 0 {
                    master.lowest = token;
                }
            }
            Effect::Reclaimed(token, replaced) => {
                state.wrongs.reclaim |= master.lowest > 0 || replaced;
                master.highest = master.highest.max(token);
            }
        }
        if let Reply::Granted { of_old, .. } = &mut reply {
            *of_old = self.stands_still && to != state.current;
        }
        if let Reply::Granted { confirmed, .. } | Reply::Renewed { confirmed, .. } = &mut reply {
            *confirmed = !self.confirm || to == state.current;
            if self.confirm && *confirmed && to + 1 < self.masters {
                let store = state.masters[usize::from(to)].store;
                state.masters[usize::from(to) + 1].store = store;
            }
        }
        (of, reply)
    }

    fn promote(&self, state: &mut State) {
        let old = usize::from(state.current);
        let store = state.masters[old].store;
        state.masters[old].runs = self.stale;
        state.masters[old].wakes = self.stands_still;
        if !self.stale && !self.stands_still {
            state.masters[old].store = Store::EMPTY;
        }
        state.current += 1;
        let promoted = &mut state.masters[old + 1];
        if self.empty {
            promoted.store = Store::EMPTY;
        } else if !self.lossy {
            promoted.store = store;
        }
        promoted.highest = promoted.store.highest();
        let store = promoted.store;
        if let Some(replica) = state.masters.get_mut(old + 2) {
            replica.store = store;
        }
        for client in &mut state.clients {
            client.late.retain(|&(to, _)| state.masters[usize::from(to)].goes_on());
        }
    }
}

impl State {
    /// Whether the master has a hold that its client ended and does nothing more about, although it
    /// is connected.
    fn has_ghost(&self) -> bool {
        let Some(hold) = self.masters[usize::from(self.current)].store.hold else { return false };
        let requests = self.clients.iter().map(|client| (client.request(), client));
        let forgotten = |(request, client): (Option<Request>, &Client)| {
            let is_up = client.to == Some(self.current) && client.ready;
            is_up
                && client.ended & 1 << hold.request != 0
                && request != Some(hold.request)
                && !client.is_ending(hold.request)
        };
        requests.into_iter().any(forgotten)
    }

    /// Whether every request was granted and released.
    #[must_use]
    pub fn is_done(&self, model: &Promotion) -> bool {
        (1..).zip(&self.clients).all(|(number, client)| {
            client.phase == Phase::Idle && client.next == number * model.requests
        })
    }
}
