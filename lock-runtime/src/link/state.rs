//! What the mutex of a link protects.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use crate::backend::server::Connection;
use crate::backend::socket::{Interest, Stream};
use crate::backend::{ConnectError, ConnectParams, Incoming};
use crate::link::effect::{Effect, ReplyTo};
use crate::link::keeper::{KeeperPlan, KeeperState, KeeperWait};
use crate::link::role::{GRACE, Keeper, Role};
use crate::link::router::{LogTopic, Router};
use crate::protocol::request::{CommandError, Failure};
use crate::protocol::timing::CONFIRM_DELAY;
use crate::types::pause::{GrantPause, PauseReason};
use crate::types::text::words;
use crate::types::time::Timestamp;
use crate::user_code;
use crate::wire::keyspace::Mark;

/// How long the keeper sleeps at most while parties wait: less than [`CONFIRM_DELAY`].
const NAP: Duration = CONFIRM_DELAY.saturating_sub(Duration::from_millis(10));

/// How many effects a thread carries out before it looks what else is to be done.
pub(crate) const SOME_EFFECTS: usize = 256;

/// What a manager's status shows of one link.
#[derive(Clone, Debug)]
pub(crate) struct LinkStatus {
    /// The address of the server, if it has one and is connected.
    pub(crate) address: Option<String>,
    /// For how long there has been no connection, and why.
    pub(crate) outage: Option<(Duration, String)>,
    /// Until when the server grants nothing to anybody, and why.
    pub(crate) pause: Option<(Timestamp, PauseReason)>,
}

pub(crate) struct LinkState {
    router: Router,
    connection: Option<Connection<ReplyTo>>,
    /// A copy of the socket for reactors of runtimes.
    pub(crate) spare: Option<Stream>,
    pub(crate) role: Role<Waker>,
    pub(crate) keeper: KeeperState,
    /// A thread carries effects out.
    pub(crate) carrying_out: bool,
    spare_effects: Vec<Effect>,
    /// How often effects were carried out.
    pub(crate) rounds: u64,
    /// Since when commands are left to the reader.
    deferred_since: Option<Timestamp>,
    inbox: String,
    /// Failed attempts to connect since the last success.
    failures: u32,
    /// When the connection was lost, if that was logged.
    down_since: Option<Timestamp>,
    connected_before: bool,
    closed: bool,
}

impl LinkState {
    pub(crate) fn new(router: Router, inbox: String) -> Self {
        Self {
            router,
            connection: None,
            spare: None,
            role: Role::new(),
            keeper: KeeperState::new(),
            carrying_out: false,
            spare_effects: Vec::new(),
            rounds: 0,
            deferred_since: None,
            inbox,
            failures: 0,
            down_since: None,
            connected_before: false,
            closed: false,
        }
    }

    pub(crate) fn router(&mut self) -> &mut Router {
        &mut self.router
    }

    /// A caller asks for something.
    pub(crate) fn ask<R>(
        &mut self,
        now: Timestamp,
        ask: impl FnOnce(&mut Router, Timestamp) -> R,
    ) -> R {
        let answer = ask(&mut self.router, now);
        self.settle(now);
        answer
    }

    /// The next effects, at most [`SOME_EFFECTS`]. To be given back to [`Self::keep_capacity`] when
    /// they are carried out.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        let mut effects = self.router.take_effects(std::mem::take(&mut self.spare_effects));
        if effects.len() > SOME_EFFECTS {
            self.router.take_effects(effects.split_off(SOME_EFFECTS));
        }
        effects
    }

    /// Saves an allocation for each answer.
    pub(crate) fn keep_capacity(&mut self, effects: Vec<Effect>) {
        if effects.capacity() <= 2 * SOME_EFFECTS {
            self.spare_effects = effects;
        }
    }

    /// A shutdown is complete.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Lets go of the connection and of callers that wait for an answer. Their destructors wake
    /// callers, so they run as an effect.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        let connection = (self.connection.take(), self.spare.take());
        self.router.after(move || drop(connection));
        self.router.let_callers_go();
        self.router.closed();
    }

    pub(crate) fn status(&self, now: Timestamp) -> LinkStatus {
        let outage = self.router.protocol().outage().map(|(since, why)| {
            let why = match why {
                Failure::Unavailable(why) | Failure::Refused(why) => words(why),
                _ => String::new(),
            };
            (now.since(since), why)
        });
        let address = self.connection.as_ref().and_then(Connection::address).map(str::to_owned);
        LinkStatus { address, outage, pause: self.router.pause().filter(|&(end, _)| end > now) }
    }

    /// When the keeper has something to do: what is due, and what a reader has left unsent.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        let unsent = self.deferred_since.map(|since| since.plus(GRACE));
        [self.router.due(), unsent].into_iter().flatten().min()
    }

    pub(crate) fn stream(&self) -> Option<Arc<Stream>> {
        self.connection.as_ref()?.stream().cloned()
    }

    /// The mark of the server, while it is connected.
    pub(crate) fn mark(&self) -> Option<Mark> {
        self.connection.as_ref().map(Connection::mark)
    }

    pub(crate) fn has_unsent(&self) -> bool {
        let has_unsent =
            |connection: &Connection<_>| connection.has_unsent() || self.router.has_unconfirmed();
        self.connection.as_ref().is_some_and(has_unsent)
    }

    /// Whether nobody has to read.
    pub(crate) fn answers_in_place(&self) -> bool {
        matches!(self.connection, Some(Connection::Memory(_)))
    }

    /// What the reader waits for: also for room if the socket did not take everything.
    pub(crate) fn interest(&self) -> Interest {
        let blocked = self.connection.as_ref().is_some_and(Connection::is_blocked);
        if blocked { Interest::ReadableOrWritable } else { Interest::Readable }
    }

    /// Encodes the commands that have come up, and passes answers to the router until nothing comes
    /// up any more.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        loop {
            self.router.drain_outputs(now);
            if self.router.take_needs_reconnect() {
                self.drop_connection(now, "no reply".to_owned());
            }
            let Some(connection) = &mut self.connection else { break };
            connection.send(self.router.batch());
            if connection.stream().is_none()
                && let Err(because) = connection.receive()
            {
                self.disconnect(now, because);
                continue;
            }
            if !self.take_incoming(now) {
                break;
            }
        }
        if self.router.is_shut_down() {
            self.router.confirm_shutdown();
            self.closed = true;
        }
    }

    /// Passes on what was taken in. Returns whether there was anything.
    fn take_incoming(&mut self, now: Timestamp) -> bool {
        let (mut any, mut end) = (false, None);
        let in_doubt =
            self.connection.as_ref().is_some_and(|connection| connection.is_in_doubt(now));
        if self.router.set_in_doubt(in_doubt) && in_doubt {
            self.log(|| {
                user_code::event!(
                    WARN,
                    "no majority of the Sentinels confirms the primary; it is asked twice for \
                     each lock; check that the Sentinels can be reached"
                );
            });
        }
        while let Some(incoming) = self.connection.as_mut().and_then(Connection::next) {
            any = true;
            if let Incoming::Reply(_, Err(error)) = &incoming {
                match error {
                    CommandError::NotPrimary(why) => end = Some(why.clone()),
                    CommandError::ConnectionLost => end = Some("the connection broke".to_owned()),
                    _ => {}
                }
            }
            self.router.incoming(now, incoming);
        }
        if let Some(because) = end {
            self.disconnect(now, because);
        }
        any
    }

    /// Takes in what has arrived, up to a limit. Returns whether more may be left.
    pub(crate) fn receive(&mut self, now: Timestamp) -> bool {
        let Some(connection) = &mut self.connection else { return false };
        let received = connection.receive();
        self.take_incoming(now);
        received.unwrap_or_else(|because| {
            self.disconnect(now, because);
            false
        })
    }

    /// Writes what was encoded, as far as the socket takes it. Replicas confirm all of it together:
    /// a WAIT in the middle would divide its callers into two groups, each of which would wait for
    /// the replicas of the other from then on.
    pub(crate) fn flush(&mut self, now: Timestamp) {
        if self.router.has_unconfirmed() {
            self.router.confirm_sent(now);
            self.settle(now);
        }
        self.deferred_since = None;
        let Some(connection) = &mut self.connection else { return };
        if let Err(because) = connection.flush() {
            self.disconnect(now, because);
            self.settle(now);
        } else if connection.is_blocked() {
            // The reader may not wait for room in the socket: the keeper tries again.
            self.deferred_since = Some(now);
        }
    }

    pub(crate) fn flush_unless_batched(&mut self, now: Timestamp) {
        let Some(connection) = &self.connection else { return };
        if !self.has_unsent() {
            return;
        }
        if self.role.batches(now, connection.in_flight()) {
            self.deferred_since.get_or_insert(now);
        } else {
            self.flush(now);
        }
    }

    /// The reader writes what the others have left to it, unless parties that have just been woken
    /// will soon add to it.
    pub(crate) fn flush_as_reader(&mut self, now: Timestamp) {
        if !self.has_unsent() {
            return;
        }
        if self.role.expects_others(now) {
            self.deferred_since.get_or_insert(now);
        } else {
            self.flush(now);
        }
    }

    /// Does what is due. A reader does it with each pass: under load the keeper is late.
    pub(crate) fn tick(&mut self, now: Timestamp) {
        if self.router.due().is_some_and(|due| due <= now) {
            self.router.tick(now);
        }
    }

    /// When the reader has to send, unless something arrives before.
    pub(crate) fn batch_ends_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.role.batch_ends_at(now)
    }

    /// Counts the parties that the effects of a pass wake.
    pub(crate) fn note_woken(&mut self, now: Timestamp) {
        self.role.woke(now, self.router.wake_count());
    }

    // The connection.

    /// What an attempt to connect needs, and how many have failed.
    pub(crate) fn connect_params(&self) -> (ConnectParams, u32) {
        let params = ConnectParams {
            inbox: self.inbox.clone(),
            min_fence: self.router.protocol().min_fence(),
            data_loss_grace: self.router.protocol().data_loss_grace(),
            failover_grace: self.router.protocol().failover_grace(),
            connected_before: self.connected_before,
            left: self.router.protocol().left_primaries(),
            slot: self.router.protocol().any_slot(),
            confirms: self.router.protocol().confirms(),
        };
        (params, self.failures)
    }

    pub(crate) fn connected(&mut self, now: Timestamp, connection: Connection<ReplyTo>) {
        if let Some(since) = self.down_since.take() {
            let after = format!("{:.1?}", now.since(since));
            self.log(move || user_code::event!(INFO, after, "connected again"));
        }
        self.failures = 0;
        self.connected_before = true;
        self.router.online_replicas(now, connection.online_replicas());
        self.router.connected(now, connection.max_lease(), connection.mark());
        if let Some(&GrantPause { left, reason }) = connection.pause() {
            self.router.paused(now, reason, Some(left));
        }
        self.connection = Some(connection);
        // Those who wait already have not asked who reads.
        self.role.ask_keeper();
        self.keeper.connected();
        self.settle(now);
        self.flush(now);
    }

    pub(crate) fn connect_failed(&mut self, now: Timestamp, error: &ConnectError) {
        self.failures += 1;
        if self.failures == 1 && self.router.should_log(now, LogTopic::Connection) {
            self.down_since.get_or_insert(now);
            let error = words(&error.text);
            self.log(move || user_code::event!(WARN, error, "cannot connect; trying again"));
        }
        self.router.connect_failed(now, &error.text, error.kind);
        self.settle(now);
    }

    fn disconnect(&mut self, now: Timestamp, because: String) {
        if self.connection.is_none() {
            return;
        }
        let reason = words(&because);
        if self.router.should_log(now, LogTopic::Connection) {
            self.down_since = Some(now);
            self.log(move || {
                user_code::event!(WARN, because = reason, "connection lost; connecting again");
            });
        } else {
            self.log(move || user_code::event!(DEBUG, because = reason, "connection lost"));
        }
        self.drop_connection(now, because);
    }

    /// Drops the connection and what was to be sent on it, and has another one made.
    fn drop_connection(&mut self, now: Timestamp, because: String) {
        let Some(connection) = self.connection.take() else { return };
        self.spare = None;
        self.role.vacate();
        self.router.disconnected(now, because, connection.into_unanswered());
        self.keeper.connect();
    }

    fn log(&mut self, event: impl FnOnce() + Send + 'static) {
        self.router.after(event);
    }

    /// The simulated connection.
    #[cfg(distlock_verification)]
    pub(crate) fn simulated(
        &mut self,
    ) -> Option<&mut crate::backend::server::SimulatedPipe<ReplyTo>> {
        match &mut self.connection {
            Some(Connection::Simulated(pipe)) => Some(pipe),
            _ => None,
        }
    }

    /// The simulation has ended the connection, with these commands unanswered, and makes another
    /// one by itself.
    #[cfg(distlock_verification)]
    pub(crate) fn lose_simulated(
        &mut self,
        now: Timestamp,
        because: String,
        unanswered: Vec<ReplyTo>,
    ) {
        self.disconnect(now, because.clone());
        self.router.disconnected(now, because, unanswered);
        self.settle(now);
        self.keeper.falls_asleep(false, None);
    }

    // The keeper.

    pub(crate) fn keeper_turn(&mut self, now: Timestamp, readable: bool) -> KeeperPlan {
        let idle = self.keeper.looks(now, self.role.activity());
        let mut does = self.role.keeper(idle);
        if does == Keeper::Watches && self.keeper.waits_in_vain(readable, self.role.activity()) {
            self.role.take_from_stalled();
            does = Keeper::Reads;
        }
        if does == Keeper::Reads {
            self.receive(now);
        }
        self.tick(now);
        self.settle(now);
        self.note_woken(now);
        if does == Keeper::Reads {
            self.flush_as_reader(now);
        } else {
            self.flush(now);
        }
        let due = self.due();
        let soon = now.plus(GRACE);
        let (wait, until) = match (does, self.stream()) {
            (_, None) | (Keeper::Sleeps, _) => (KeeperWait::Signal, due),
            (Keeper::Reads, Some(stream)) => {
                let until = [due, self.batch_ends_at(now)].into_iter().flatten().min();
                (KeeperWait::Reads(stream, self.interest()), until)
            }
            (Keeper::Watches, Some(stream)) if !readable => {
                (KeeperWait::Socket(stream, Interest::Readable), due)
            }
            (Keeper::Watches | Keeper::Looks, Some(_)) => {
                (KeeperWait::Signal, Some(due.map_or(soon, |due| due.min(soon))))
            }
        };
        // A grant that is pushed to a waiting party has to be confirmed soon after. A keeper that
        // is awake before that need not be woken for it, which would delay the party.
        let nap = self.role.has_waiting().then(|| now.plus(NAP));
        let until = [until, nap].into_iter().flatten().min();
        let connect = self.keeper.falls_asleep(does == Keeper::Sleeps, until);
        KeeperPlan { wait, until, connect: connect && !self.closed }
    }
}
