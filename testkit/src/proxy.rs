//! A proxy between clients and a server that understands RESP, and injects faults at the boundaries
//! of requests and replies.

mod connection;
mod exchange;
mod faults;
mod frame;
mod gate;
mod partial;
#[cfg(target_os = "linux")]
mod process;
mod tally;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use connection::Connection;
use faults::Faults;
pub use faults::{Cut, Direction};
use tally::Tally;

use crate::RedisServer;
use crate::launch::url;

/// Limits the connect to a server whose backlog is full, so that the next client does not wait.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// Listens on its own port on 127.0.0.1 and forwards each connection to the port of the server,
/// also after a restart of the server. Without a server, a connection is accepted and closed.
///
/// A fault applies to all data that is not delivered when it is turned on. Dropping the proxy ends
/// its threads and sockets.
#[derive(Debug)]
pub struct FaultProxy {
    port: u16,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    server: AtomicU16,
    faults: Arc<Faults>,
    tally: Arc<Tally>,
    open: Mutex<Open>,
    stop: AtomicBool,
}

#[derive(Debug, Default)]
struct Open {
    black_hole: bool,
    /// The processes whose connections lead into a black hole.
    isolated: Vec<u32>,
    connections: Vec<(Arc<Connection>, JoinHandle<()>)>,
}

impl FaultProxy {
    /// A proxy without faults.
    pub fn start(server: &RedisServer) -> io::Result<Self> {
        Self::before(server.port())
    }

    /// A proxy before this port, or before no server yet if it is zero.
    pub(crate) fn before(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let server = port;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            server: AtomicU16::new(server),
            faults: Arc::default(),
            tally: Arc::default(),
            open: Mutex::default(),
            stop: AtomicBool::default(),
        });
        let accepting = Arc::clone(&shared);
        let listener = Some(thread::spawn(move || accepting.accept(&listener)));
        Ok(Self { port, shared, listener })
    }

    /// `redis://127.0.0.1:PORT/`, for clients of the proxy.
    #[must_use]
    pub fn url(&self) -> String {
        url(self.port)
    }

    /// The port, which restarts do not change.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Carries connections that are opened from now on to this server, as a name that moves after a
    /// failover. Those that are open stay where they are.
    pub fn lead_to(&self, server: &RedisServer) {
        self.shared.server.store(server.port(), Ordering::SeqCst);
    }

    /// Delivers what is read from now on this much later, in order; any number of frames is on the
    /// way at a time. Zero turns it off, for what is read afterwards.
    pub fn delay(&self, direction: Direction, delay: Duration) {
        self.shared.faults.set_delay(direction, delay);
    }

    /// Drops what is published, and any other push of RESP3. Replies pass, and so do the
    /// confirmations of subscriptions.
    pub fn drop_pushes(&self, on: bool) {
        self.shared.faults.set_drop_pushes(on);
    }

    /// Forwards nothing either way, not even that a side has closed; connections stay open and new
    /// ones are accepted. Those that lost something by it are closed when it is turned off.
    pub fn black_hole(&self, on: bool) {
        let mut open = self.shared.open();
        open.black_hole = on;
        open.each(|connection| connection.set_hole(on));
    }

    /// [`black_hole`](Self::black_hole) for the connections of these processes, and of no others.
    #[cfg(target_os = "linux")]
    pub fn isolate(&self, processes: &[u32]) {
        let mut open = self.shared.open();
        open.isolated = processes.to_vec();
        let hole = open.black_hole;
        open.each(|connection| {
            connection.set_hole(hole || process::is_client(connection.client(), processes));
        });
    }

    /// Closes connections, at once or at their next request or reply. See [`Cut`]. At once, a
    /// frozen connection is closed for its client only: what is held of its requests still arrives
    /// on thaw.
    pub fn cut(&self, cut: Cut) {
        self.shared.open().each(|connection| connection.cut(cut));
    }

    /// Closes each connection at its next request that has this text in it, a key for example.
    /// [`Cut::Now`] does so before the request applies.
    pub fn cut_at(&self, cut: Cut, text: &str) {
        self.shared.open().each(|connection| connection.cut_at(cut, text));
    }

    /// Holds what is on its way on the connections that are open now, and delivers it in order on
    /// thaw: to the server also what a client sent that has closed its side since. Connections
    /// opened meanwhile pass.
    pub fn freeze(&self, on: bool) {
        self.shared.open().each(|connection| connection.set_frozen(on));
    }

    /// Turns all faults off, and cuts that have not happened.
    pub fn heal(&self) {
        self.delay(Direction::ToServer, Duration::ZERO);
        self.delay(Direction::ToClient, Duration::ZERO);
        self.drop_pushes(false);
        self.shared.open().each(Connection::disarm);
        self.shared.open().isolated.clear();
        self.black_hole(false);
        self.freeze(false);
    }

    /// How many connections clients have open.
    #[must_use]
    pub fn connections(&self) -> usize {
        let mut open = self.shared.open();
        open.forget_the_ended();
        open.connections.iter().filter(|(connection, _)| connection.is_open()).count()
    }

    /// How many requests clients have sent so far, also those that were not forwarded. The
    /// greetings of connections (HELLO, CLIENT) are among them.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.tally.all()
    }

    /// How many of the [requests](Self::requests) were this command.
    #[must_use]
    pub fn commands(&self, name: &str) -> u64 {
        self.shared.tally.of(name)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // Wakes the listener; it has ended if the connection fails.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
        let connections = std::mem::take(&mut self.shared.open().connections);
        for (connection, thread) in connections {
            connection.close();
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            // Without the client or the server there is nothing to carry, and dropping the socket
            // says so.
            let _ = client.and_then(|client| self.admit(client));
        }
    }

    fn admit(&self, client: TcpStream) -> io::Result<()> {
        let mut open = self.open();
        open.forget_the_ended();
        client.set_nodelay(true)?;
        let server = if open.swallows(&client) { None } else { Some(self.connect()?) };
        let (faults, tally) = (Arc::clone(&self.faults), Arc::clone(&self.tally));
        let connection = Arc::new(Connection::new(client, server, faults, tally));
        let serving = Arc::clone(&connection);
        open.connections.push((connection, thread::spawn(move || serving.serve())));
        Ok(())
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let port = self.server.load(Ordering::SeqCst);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let server = TcpStream::connect_timeout(&address, CONNECT_LIMIT)?;
        server.set_nodelay(true)?;
        Ok(server)
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn swallows(&self, client: &TcpStream) -> bool {
        #[cfg(target_os = "linux")]
        if process::is_client(client, &self.isolated) {
            return true;
        }
        self.black_hole
    }

    fn forget_the_ended(&mut self) {
        self.connections.retain(|(_, thread)| !thread.is_finished());
    }

    fn each(&self, what: impl Fn(&Connection)) {
        for (connection, _) in &self.connections {
            what(connection);
        }
    }
}
