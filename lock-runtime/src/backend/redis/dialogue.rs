//! Opens a socket to a server and holds a dialogue on it, which blocks its thread with a limit for
//! each step.

use std::io::{self, ErrorKind};
use std::net::{TcpStream, ToSocketAddrs};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::{SockRef, TcpKeepalive};
use redis::{ConnectionAddr, ConnectionInfo, Pipeline, PushKind, Value};

use crate::backend::redis::command::notice;
use crate::backend::redis::errors::OpenError;
use crate::backend::redis::handshake::{check_hello, hello};
use crate::backend::redis::resp::ReceiveBuffer;
#[cfg(feature = "tls-rustls")]
use crate::backend::redis::tls;
use crate::backend::redis::tls::Certificates;
use crate::backend::redis::transport::Transport;
use crate::backend::socket::{Interest, Signal, Stream, wait};
use crate::types::time::{self, Timestamp};
use crate::wire::reply::Notification;

/// A TLS handshake that has not ended by then may be one with a port that does not speak TLS.
#[cfg(feature = "tls-rustls")]
const SUSPICIOUS: Duration = Duration::from_secs(1);

#[cfg_attr(not(feature = "tls-rustls"), expect(unused_variables, reason = "for TLS"))]
fn transport(
    info: &ConnectionInfo,
    certificates: &Certificates,
    limit: &Limit,
) -> Result<Transport, OpenError> {
    let tcp = |host: &str, port| connect_tcp(host, port, info.tcp_settings(), limit);
    Ok(match info.addr() {
        ConnectionAddr::Tcp(host, port) => Transport::plain(tcp(host, *port)?),
        #[cfg(feature = "tls-rustls")]
        ConnectionAddr::TcpTls { host, port, .. } => {
            let session = tls::start(host, certificates)?;
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

/// The first probe after 15 s of silence; the connection counts as dead after 30 s.
pub(crate) fn keepalive() -> TcpKeepalive {
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(15));
    #[cfg(any(target_os = "linux", target_os = "macos", target_os = "freebsd", windows))]
    let keepalive = keepalive.with_interval(Duration::from_secs(5)).with_retries(3);
    keepalive
}

/// When a step has to be done, and how long it was given.
#[derive(Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) span: Duration,
    pub(crate) until: Timestamp,
}

impl Limit {
    /// From now on.
    pub(crate) fn of(span: Duration) -> Self {
        Self { span, until: time::now().plus(span) }
    }
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
pub(crate) struct Dialogue<'a> {
    pub(crate) transport: Transport,
    pub(crate) received: ReceiveBuffer,
    /// Notifications that came between the answers.
    pub(crate) heard: Vec<Notification>,
    /// Something was published that is none of those.
    news: bool,
    stop: &'a Signal,
    unsent: Vec<u8>,
}

impl<'a> Dialogue<'a> {
    /// Connects, but begins no TLS handshake yet.
    pub(crate) fn open(
        info: &ConnectionInfo,
        certificates: &Certificates,
        limit: &Limit,
        stop: &'a Signal,
    ) -> Result<Self, OpenError> {
        let transport = transport(info, certificates, limit)?;
        let (received, heard, unsent) = (ReceiveBuffer::default(), Vec::new(), Vec::new());
        Ok(Self { transport, received, heard, news: false, stop, unsent })
    }

    /// Connects and authenticates. Each of the two may take so long.
    pub(crate) fn greet(
        info: &ConnectionInfo,
        certificates: &Certificates,
        limit: Duration,
        stop: &'a Signal,
    ) -> Result<Self, OpenError> {
        let mut dialogue = Self::open(info, certificates, &Limit::of(limit), stop)?;
        let settings = info.redis_settings();
        let answers = dialogue.ask(info.addr(), &hello(settings), &Limit::of(limit))?;
        check_hello(settings, answers)?;
        Ok(dialogue)
    }

    /// Sends commands and waits for their answers.
    #[cfg_attr(not(feature = "tls-rustls"), expect(unused_variables, reason = "for TLS"))]
    pub(crate) fn ask(
        &mut self,
        address: &ConnectionAddr,
        commands: &Pipeline,
        limit: &Limit,
    ) -> Result<Vec<Value>, OpenError> {
        #[cfg(feature = "tls-rustls")]
        if self.transport.is_handshaking()
            && let ConnectionAddr::TcpTls { host, port, .. } = address
        {
            let suspicious = time::now().plus(SUSPICIOUS).min(limit.until);
            let early = Limit { until: suspicious, ..*limit };
            match self.exchange(Some(commands), commands.len(), &early) {
                Err(OpenError::Slow(_)) if self.transport.is_handshaking() => {
                    if speaks_plainly(host, *port) {
                        return Err(OpenError::WithoutTls);
                    }
                    return self.exchange(None, commands.len(), limit);
                }
                answers => return answers,
            }
        }
        self.exchange(Some(commands), commands.len(), limit)
    }

    /// Waits until something is published, for so long at most.
    pub(crate) fn listen(&mut self, until: Timestamp) -> Result<(), OpenError> {
        while !std::mem::take(&mut self.news) && time::now() < until && !self.stop.is_closed() {
            wait(Some((self.transport.stream(), Interest::Readable)), self.stop, Some(until));
            let received = &mut self.received;
            let read = self.transport.read(|bytes| received.extend(bytes));
            while let Some(value) = self.received.next()? {
                self.answer(value);
            }
            read.map_err(from_io)?;
        }
        Ok(())
    }

    /// Sends commands and waits for so many answers, or only waits.
    fn exchange(
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
            PushKind::Subscribe | PushKind::SSubscribe => Some(Value::Okay),
            PushKind::Message | PushKind::SMessage => {
                let notice = notice(&data);
                self.news |= notice.is_none();
                self.heard.extend(notice);
                None
            }
            _ => None,
        }
    }
}
