//! The threads of a link: its keeper, and one for each time it connects.

use std::sync::Arc;
use std::time::Duration;

use crate::backend::server::{Connection, Server};
use crate::backend::socket::{WaitEnd, wait};
use crate::link::Link;
use crate::link::effect::ReplyTo;
use crate::link::keeper::{KeeperPlan, KeeperWait};
use crate::link::role::GRACE;
use crate::link::wait::register_harmless_wakers;
use crate::types::environment::thread;
use crate::types::time;
use crate::user_code;

/// How soon the keeper tries again to start a thread that connects.
const RETRY: Duration = Duration::from_millis(50);

/// Starts the keeper of a link. It ends once the link is closed. Without a server it never
/// connects.
pub(crate) fn start(link: Arc<Link>, server: Option<Arc<Server>>) -> std::io::Result<()> {
    thread::Builder::new().name("distlock-io".to_owned()).spawn(move || {
        user_code::mark_io_thread();
        register_harmless_wakers();
        keep(&link, server.as_ref());
    })?;
    Ok(())
}

fn keep(link: &Arc<Link>, server: Option<&Arc<Server>>) {
    let mut readable = false;
    while let Some(KeeperPlan { wait: of, until, connect }) = link.keeper_turn(readable) {
        link.delegated.run();
        let failed = connect && server.is_some_and(|server| !start_connecting(link, server));
        let retry = failed.then(|| time::now().plus(RETRY));
        let until = [until, retry].into_iter().flatten().min();
        let signal = &link.keeper_signal;
        let woken = match &of {
            KeeperWait::Signal => wait(None, signal, until),
            KeeperWait::Socket(stream, interest) | KeeperWait::Reads(stream, interest) => {
                wait(Some((stream, *interest)), signal, until)
            }
        };
        readable = woken.by_socket;
        if let (KeeperWait::Reads(..), WaitEnd { by_socket: true, by_signal: false }) = (of, woken)
            && !link.keeper_reads()
        {
            // A party has taken the role, and was woken too. The keeper keeps out of its way.
            let soon = time::now().plus(GRACE);
            wait(None, signal, Some(until.map_or(soon, |until| until.min(soon))));
            readable = false;
        }
    }
    // The last effects, of a shutdown or a panic. A caller may be carrying them out, and leaves the
    // code of users in them to this thread.
    link.finish();
    while link.is_carrying_out() {
        link.delegated.run();
        wait(None, &link.keeper_signal, None);
    }
    link.delegated.run();
}

/// Connecting blocks: names are looked up, and a server may be slow. A thread of its own does it,
/// and the keeper goes on with what is due. Returns whether that thread could be started.
fn start_connecting(link: &Arc<Link>, server: &Arc<Server>) -> bool {
    let (own_link, own_server) = (Arc::clone(link), Arc::clone(server));
    let connecting = thread::Builder::new()
        .name("distlock-connect".to_owned())
        .spawn(move || connect_until_connected(&own_link, &own_server));
    if connecting.is_err() {
        // The next turn tries again.
        link.locked(|state, _| state.keeper.could_not_connect());
    }
    connecting.is_ok()
}

fn connect_until_connected(link: &Arc<Link>, server: &Server) {
    user_code::mark_io_thread();
    while let Some((params, failures)) = link.locked(|state, _| state.connect_params()) {
        if failures > 0 {
            let random = uuid::Uuid::new_v4().as_bytes()[0];
            server.pause(time::now().plus(pause(failures - 1, random)), &link.stop);
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

/// For so many attempts a failover may be under way: half a minute.
const FAILOVER: u32 = 400;

/// The pause after this many failures, of which half is random, so that clients of a server that
/// comes back do not all connect at once: doubles from 20 ms to 100 ms, which it stays while a
/// failover may be under way. Then it doubles to 2 s.
pub fn pause(failures: u32, random: u8) -> Duration {
    let (first, longest, doublings) = match failures.checked_sub(FAILOVER) {
        None => (20, 100, failures),
        Some(more) => (100, 2_000, more),
    };
    let full = Duration::from_millis((first << doublings.min(7)).min(longest));
    full / 2 + full / 2 * u32::from(random) / 255
}
