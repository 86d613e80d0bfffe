//! The thread of a link that does what no caller waits for: renewals, heartbeats and everything
//! else that is due, reconnects, and reading when no caller reads.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::backend::server::{Connection, Server};
use crate::backend::socket::{Interest, Signal, Stream, wait};
use crate::link::Link;
use crate::link::effect::ReplyTo;
use crate::link::role::GRACE;
use crate::link::wait::register_harmless_wakers;
use crate::types::time::{self, Timestamp};
use crate::user_code;

/// What the keeper does next.
pub(crate) struct KeeperPlan {
    pub(crate) wait: KeeperWait,
    pub(crate) until: Option<Timestamp>,
    /// Start to connect first.
    pub(crate) connect: bool,
}

pub(crate) enum KeeperWait {
    Signal,
    Socket(Arc<Stream>, Interest),
}

/// What the link knows of its keeper.
pub(crate) struct KeeperState {
    /// Somebody needs it now.
    pub(crate) wanted: bool,
    /// When it wakes up by itself; zero while it is awake.
    wakes_at: Timestamp,
    /// It waits neither for the socket nor for a moment.
    sleeps: bool,
    /// The activity of the link when it last looked, and since when that has not changed.
    seen: u64,
    unchanged_since: Timestamp,
    /// The activity at which it found the socket readable although a task reads.
    unread_at: Option<u64>,
    connecting: Connecting,
}

#[derive(PartialEq, Eq)]
enum Connecting {
    No,
    /// A thread for it is to be started.
    Wanted,
    UnderWay,
}

const NEVER: Timestamp = Timestamp::from_nanos(u64::MAX);

impl KeeperState {
    pub(crate) fn new() -> Self {
        Self {
            wanted: false,
            wakes_at: Timestamp::ZERO,
            sleeps: false,
            seen: 0,
            unchanged_since: Timestamp::ZERO,
            unread_at: None,
            connecting: Connecting::Wanted,
        }
    }

    /// Whether it has to be woken: something is due before it wakes by itself, or it is wanted.
    pub(crate) fn has_to_wake(&mut self, due: Option<Timestamp>) -> bool {
        let early = due.is_some_and(|due| due < self.wakes_at);
        let wanted = std::mem::take(&mut self.wanted) || self.connecting == Connecting::Wanted;
        let asleep = self.wakes_at > Timestamp::ZERO;
        let wake = asleep && (early || wanted);
        if wake {
            self.wakes_at = Timestamp::ZERO;
        }
        wake
    }

    /// Whether it does not notice that nobody reads.
    pub(crate) fn sleeps_past(&self, now: Timestamp) -> bool {
        self.sleeps && self.wakes_at > now.plus(GRACE)
    }

    /// It looks. Returns whether nothing has happened for some time.
    pub(crate) fn looks(&mut self, now: Timestamp, activity: u64) -> bool {
        if self.seen != activity {
            self.seen = activity;
            self.unchanged_since = now;
            self.unread_at = None;
        }
        now.since(self.unchanged_since) >= GRACE
    }

    /// Whether the task that reads has not come although the socket was readable before.
    pub(crate) fn waits_in_vain(&mut self, readable: bool, activity: u64) -> bool {
        let again = self.unread_at == Some(activity);
        if readable {
            self.unread_at = Some(activity);
        }
        again
    }

    /// Returns whether a thread has to be started that connects.
    pub(crate) fn falls_asleep(&mut self, sleeps: bool, until: Option<Timestamp>) -> bool {
        self.sleeps = sleeps;
        self.wakes_at = until.unwrap_or(NEVER);
        let connect = self.connecting == Connecting::Wanted;
        if connect {
            self.connecting = Connecting::UnderWay;
        }
        connect
    }

    pub(crate) fn connect(&mut self) {
        self.connecting = Connecting::Wanted;
    }

    pub(crate) fn connected(&mut self) {
        self.connecting = Connecting::No;
        // It has to learn of the socket.
        self.wanted = true;
    }

    pub(crate) fn could_not_connect(&mut self) {
        if self.connecting == Connecting::UnderWay {
            self.connecting = Connecting::Wanted;
        }
    }
}

/// Starts the keeper of a link. It ends once the link is closed.
pub(crate) fn start(link: Arc<Link>, server: Server) -> std::io::Result<()> {
    let server = Arc::new(server);
    thread::Builder::new().name("distlock-io".to_owned()).spawn(move || {
        user_code::mark_io_thread();
        register_harmless_wakers();
        keep(&link, &server);
    })?;
    Ok(())
}

fn keep(link: &Arc<Link>, server: &Arc<Server>) {
    let mut readable = false;
    while let Some(KeeperPlan { wait: of, until, connect }) = link.keeper_turn(readable) {
        link.delegated.run();
        if connect {
            start_connecting(link, server);
        }
        let signal = &link.keeper_signal;
        readable = match of {
            KeeperWait::Signal => wait(None, signal, until),
            KeeperWait::Socket(stream, interest) => wait(Some((&stream, interest)), signal, until),
        };
    }
    // The last effects, of a shutdown or a panic.
    link.finish();
    link.delegated.run();
}

/// Connecting blocks: names are looked up, and a server may be slow. A thread of its own does it,
/// and the keeper goes on with what is due.
fn start_connecting(link: &Arc<Link>, server: &Arc<Server>) {
    let (own_link, own_server) = (Arc::clone(link), Arc::clone(server));
    let connecting = thread::Builder::new()
        .name("distlock-connect".to_owned())
        .spawn(move || connect_until_connected(&own_link, &own_server));
    if connecting.is_err() {
        // The next turn tries again.
        link.locked(|state, _| state.keeper.could_not_connect());
    }
}

fn connect_until_connected(link: &Arc<Link>, server: &Server) {
    user_code::mark_io_thread();
    while let Some((params, failures)) = link.locked(|state, _| state.connect_params()) {
        if failures > 0 {
            let random = uuid::Uuid::new_v4().as_bytes()[0];
            let until = time::now().plus(pause(failures - 1, random));
            wait(None, &link.stop, Some(until));
        }
        let attempt = server.connect(params, &link.stop, link.bell());
        let connected = attempt.is_ok();
        link.locked_then_effects(|state, now| match attempt {
            Ok(connection) => state.connected(now, connection),
            Err(error) => state.connect_failed(now, &error),
        });
        if connected {
            return;
        }
    }
}

/// Connects to a server in memory, which takes no time.
pub(crate) fn connect_at_once(link: &Link, server: &Server) {
    let Some((params, _)) = link.locked(|state, _| state.connect_params()) else { return };
    let attempt = server.connect(params, &link.stop, link.bell());
    link.locked_then_effects(|state, now| {
        if let Ok(connection) = attempt {
            let connection: Connection<ReplyTo> = connection;
            state.connected(now, connection);
        }
    });
}

/// The pause after this many failures: doubles from 20 ms to 2 s, of which half is random. Clients
/// of a server that comes back do not all connect at once.
pub fn pause(failures: u32, random: u8) -> Duration {
    let full =
        Duration::from_millis(20).saturating_mul(1 << failures.min(7)).min(Duration::from_secs(2));
    full / 2 + full / 2 * u32::from(random) / 255
}

/// Wakes the keeper.
pub(crate) struct Bell(pub(crate) Arc<Signal>);

impl std::task::Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.notify();
    }
}
