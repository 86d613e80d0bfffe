//! One Redis server: its address, credentials and certificates, and how a connection to it is
//! opened and prepared. TLS is by rustls.
//!
//! Opening blocks its thread, with a limit for each step.

pub(crate) mod command;
pub(crate) mod errors;
pub(crate) mod handshake;
pub(crate) mod pipe;
pub(crate) mod preflight;
pub(crate) mod resp;
#[cfg(test)]
mod tests;
pub(crate) mod tls;
pub(crate) mod transport;

use std::io::{self, ErrorKind};
use std::net::{TcpStream, ToSocketAddrs};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::{SockRef, TcpKeepalive};
use redis::{Client, ConnectionAddr, ConnectionInfo, Pipeline, ProtocolVersion, PushKind, Value};

use crate::backend::redis::command::{Ladder, notice};
use crate::backend::redis::errors::{OpenError, connect_error};
use crate::backend::redis::handshake::{Handshake, NextStep};
use crate::backend::redis::pipe::RedisPipe;
use crate::backend::redis::resp::ReceiveBuffer;
use crate::backend::redis::tls::Certificates;
use crate::backend::redis::transport::Transport;
use crate::backend::socket::{Interest, Signal, Stream, wait};
use crate::backend::{ConnectError, ConnectParams};
use crate::types::credentials::{Credentials, CredentialsProvider};
use crate::types::text::words;
use crate::types::time::{self, Timestamp};
use crate::user_code;
use crate::wire::keyspace::Keyspace;
use crate::wire::reply::Notification;

/// The longest that the name lookup, TCP, TLS and HELLO may take together: about five round trips.
const GREETING: Duration = Duration::from_secs(3);

/// The longest that each of the round trips after HELLO may take.
const STEP: Duration = Duration::from_secs(2);

/// A TLS handshake that has not ended by then may be one with a port that does not speak TLS.
#[cfg(feature = "tls-rustls")]
const SUSPICIOUS: Duration = Duration::from_secs(1);

/// A server by its address and credentials.
pub(crate) struct RedisServer {
    /// Only for its address and settings.
    client: Client,
    #[cfg_attr(not(feature = "tls-rustls"), expect(dead_code, reason = "for TLS"))]
    certificates: Certificates,
    credentials: Option<CredentialsProvider>,
    client_name: Option<String>,
    space: Keyspace,
    ladder: OnceLock<Arc<Ladder>>,
}

impl RedisServer {
    /// Uses the client's address, credentials and settings. Notifications need RESP3, small
    /// commands need `TCP_NODELAY`, and keepalive finds a connection that the network silently
    /// dropped.
    pub(crate) fn new(
        client: &Client,
        client_name: Option<String>,
        certificates: Certificates,
        credentials: Option<CredentialsProvider>,
        space: Keyspace,
    ) -> Result<Self, String> {
        let info = client.get_connection_info().clone();
        tls::check(info.addr(), &certificates)?;
        let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let mut tcp = info.tcp_settings().clone().set_nodelay(true);
        if tcp.keepalive().is_none() {
            tcp = tcp.set_keepalive(keepalive());
        }
        let info = info.set_redis_settings(redis).set_tcp_settings(tcp);
        let client = Client::open(info).map_err(|error| error.to_string())?;
        let ladder = OnceLock::new();
        Ok(Self { client, certificates, credentials, client_name, space, ladder })
    }

    fn info(&self) -> &ConnectionInfo {
        self.client.get_connection_info()
    }

    /// With the user and the password of now.
    fn info_with_credentials(&self) -> Result<ConnectionInfo, OpenError> {
        let info = self.info().clone();
        let Some(provider) = &self.credentials else { return Ok(info) };
        // Its error is code of users too.
        let asked = user_code::ask(|| provider().map_err(|error| words(&error.to_string())));
        let failed = || Err("it panicked".to_owned());
        let Credentials { user, password } =
            asked.unwrap_or_else(failed).map_err(OpenError::NoCredentials)?;
        let redis = info.redis_settings().clone().set_username(user).set_password(password);
        Ok(info.set_redis_settings(redis))
    }

    /// Opens a connection. `stop` ends the attempt early.
    pub(crate) fn connect<T>(
        &self,
        params: &ConnectParams,
        stop: &Signal,
    ) -> Result<RedisPipe<T>, ConnectError> {
        let provided = self.credentials.is_some();
        self.open(params, stop).map_err(|error| connect_error(&self.client, error, provided))
    }

    fn open<T>(&self, params: &ConnectParams, stop: &Signal) -> Result<RedisPipe<T>, OpenError> {
        let database = self.info().redis_settings().db();
        let new_ladder = || Arc::new(Ladder::new(&self.space, database));
        let ladder = Arc::clone(self.ladder.get_or_init(new_ladder));
        let info = self.info_with_credentials()?;
        let mut limit = Limit { span: GREETING, until: time::now().plus(GREETING) };
        let mut dialogue = Dialogue::new(self.transport(&limit)?, stop);
        let name = self.client_name.as_deref();
        let (mut handshake, mut commands) =
            Handshake::start(&info, &self.space, &ladder, name, params);
        loop {
            let answers = self.ask(&mut dialogue, &commands, &limit)?;
            limit = Limit { span: STEP, until: time::now().plus(STEP) };
            match handshake.answered(answers)? {
                NextStep::Send(next) => commands = next,
                NextStep::Done(ready) => {
                    let Dialogue { transport, received, heard, .. } = dialogue;
                    let space = self.space.clone();
                    let mut pipe = RedisPipe::new(transport, received, space, ladder, &ready);
                    pipe.begin(&ready.announcement, heard);
                    return Ok(pipe);
                }
            }
        }
    }

    #[cfg_attr(not(feature = "tls-rustls"), expect(clippy::unused_self, reason = "for TLS"))]
    fn ask(
        &self,
        dialogue: &mut Dialogue<'_>,
        commands: &Pipeline,
        limit: &Limit,
    ) -> Result<Vec<Value>, OpenError> {
        #[cfg(feature = "tls-rustls")]
        if dialogue.transport.is_handshaking()
            && let ConnectionAddr::TcpTls { host, port, .. } = self.info().addr()
        {
            let suspicious = time::now().plus(SUSPICIOUS).min(limit.until);
            let early = Limit { until: suspicious, ..*limit };
            match dialogue.ask(Some(commands), commands.len(), &early) {
                Err(OpenError::Slow(_)) if dialogue.transport.is_handshaking() => {
                    if speaks_plainly(host, *port) {
                        return Err(OpenError::WithoutTls);
                    }
                    return dialogue.ask(None, commands.len(), limit);
                }
                answers => return answers,
            }
        }
        dialogue.ask(Some(commands), commands.len(), limit)
    }

    fn transport(&self, limit: &Limit) -> Result<Transport, OpenError> {
        let info = self.info();
        let tcp = |host: &str, port| connect_tcp(host, port, info.tcp_settings(), limit);
        Ok(match info.addr() {
            ConnectionAddr::Tcp(host, port) => Transport::plain(tcp(host, *port)?),
            #[cfg(feature = "tls-rustls")]
            ConnectionAddr::TcpTls { host, port, .. } => {
                let session = tls::start(host, &self.certificates)?;
                Transport::with_tls(tcp(host, *port)?, session)
            }
            #[cfg(unix)]
            ConnectionAddr::Unix(path) => {
                let unix = UnixStream::connect(path).map_err(redis::RedisError::from)?;
                nonblocking(Stream::Unix(unix)).map(Transport::plain)?
            }
            _ => {
                let error = (redis::ErrorKind::InvalidClientConfig, "the address is not supported");
                return Err(OpenError::Server(error.into()));
            }
        })
    }
}

/// The first probe after 15 s of silence; the connection counts as dead after 30 s.
fn keepalive() -> TcpKeepalive {
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(15));
    #[cfg(any(target_os = "linux", target_os = "macos", target_os = "freebsd", windows))]
    let keepalive = keepalive.with_interval(Duration::from_secs(5)).with_retries(3);
    keepalive
}

/// When a step has to be done, and how long it was given.
#[derive(Clone, Copy)]
struct Limit {
    span: Duration,
    until: Timestamp,
}

/// Tries the addresses of the host in turn.
fn connect_tcp(
    host: &str,
    port: u16,
    settings: &TcpSettings,
    limit: &Limit,
) -> Result<Stream, OpenError> {
    let addresses = (host, port).to_socket_addrs().map_err(redis::RedisError::from)?;
    let no_address: redis::RedisError =
        (redis::ErrorKind::InvalidClientConfig, "No address found for host").into();
    let mut failed = OpenError::Server(no_address);
    for address in addresses {
        let left = limit.until.since(time::now());
        if left.is_zero() {
            return Err(OpenError::Slow(limit.span));
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(tcp) => return with_settings(tcp, settings).map_err(from_io),
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                failed = OpenError::Slow(limit.span);
            }
            Err(error) => failed = from_io(error),
        }
    }
    Err(failed)
}

fn with_settings(tcp: TcpStream, settings: &TcpSettings) -> io::Result<Stream> {
    tcp.set_nodelay(settings.nodelay())?;
    if let Some(keepalive) = settings.keepalive() {
        SockRef::from(&tcp).set_tcp_keepalive(keepalive)?;
    }
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    SockRef::from(&tcp).set_tcp_user_timeout(settings.user_timeout())?;
    let stream = Stream::Tcp(tcp);
    stream.set_nonblocking()?;
    Ok(stream)
}

fn nonblocking(stream: Stream) -> Result<Stream, OpenError> {
    stream.set_nonblocking().map_err(from_io)?;
    Ok(stream)
}

fn from_io(error: io::Error) -> OpenError {
    OpenError::Server(error.into())
}

/// Whether the port answers a PING without TLS. Such a server takes the start of a TLS handshake
/// for an incomplete command and waits for the rest.
#[cfg(feature = "tls-rustls")]
fn speaks_plainly(host: &str, port: u16) -> bool {
    use std::io::{Read as _, Write as _};

    let answer = || -> io::Result<u8> {
        let addresses = (host, port).to_socket_addrs()?;
        let address = addresses.into_iter().next().ok_or(ErrorKind::NotFound)?;
        let mut stream = TcpStream::connect_timeout(&address, SUSPICIOUS)?;
        stream.set_read_timeout(Some(SUSPICIOUS))?;
        stream.write_all(b"PING\r\n")?;
        let mut first = [0];
        stream.read_exact(&mut first)?;
        Ok(first[0])
    };
    // PONG, or an error because a password is missing.
    matches!(answer(), Ok(b'+' | b'-'))
}

/// Round trips, one after the other.
struct Dialogue<'a> {
    transport: Transport,
    received: ReceiveBuffer,
    /// Notifications that came between the answers.
    heard: Vec<Notification>,
    stop: &'a Signal,
    unsent: Vec<u8>,
}

impl<'a> Dialogue<'a> {
    fn new(transport: Transport, stop: &'a Signal) -> Self {
        let (received, heard, unsent) = (ReceiveBuffer::default(), Vec::new(), Vec::new());
        Self { transport, received, heard, stop, unsent }
    }

    /// Sends commands and waits for so many answers, or only waits.
    fn ask(
        &mut self,
        commands: Option<&Pipeline>,
        count: usize,
        limit: &Limit,
    ) -> Result<Vec<Value>, OpenError> {
        if let Some(commands) = commands {
            self.unsent.extend(commands.get_packed_pipeline());
        }
        let mut answers = Vec::with_capacity(count);
        loop {
            let written = self.transport.write(&self.unsent).map_err(from_io)?;
            self.unsent.drain(..written);
            let received = &mut self.received;
            let read = self.transport.read(|bytes| received.extend(bytes));
            while answers.len() < count
                && let Some(value) = self.received.next()?
            {
                answers.extend(self.answer(value));
            }
            if answers.len() == count {
                return Ok(answers);
            }
            read.map_err(from_io)?;
            if time::now() >= limit.until || self.stop.is_closed() {
                return Err(OpenError::Slow(limit.span));
            }
            let unsent = !self.unsent.is_empty() || self.transport.wants_write();
            let interest = if unsent && !self.transport.is_handshaking() {
                Interest::ReadableOrWritable
            } else {
                Interest::Readable
            };
            wait(Some((self.transport.stream(), interest)), self.stop, Some(limit.until));
        }
    }

    /// A subscription is answered by a push.
    fn answer(&mut self, value: Value) -> Option<Value> {
        let Value::Push { kind, data } = value else { return Some(value) };
        match kind {
            PushKind::Subscribe => Some(Value::Okay),
            PushKind::Message => {
                self.heard.extend(notice(&data));
                None
            }
            _ => None,
        }
    }
}
