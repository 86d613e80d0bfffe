//! Opens a socket to a server and holds a dialogue on it, which blocks its thread with a limit for
//! each step.

use std::io::{self, ErrorKind};
use std::net::{TcpStream, ToSocketAddrs};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::Duration;

use socket2::SockRef;

use crate::backend::redis::address::Address;
use crate::backend::redis::command::{Pipeline, notice};
use crate::backend::redis::endpoint::Endpoint;
use crate::backend::redis::errors::{OpenError, no_address};
use crate::backend::redis::handshake::{check_hello, hello};
use crate::backend::redis::resp::ReceiveBuffer;
#[cfg(feature = "tls-rustls")]
use crate::backend::redis::tls;
use crate::backend::redis::tls::Certificates;
use crate::backend::redis::transport::Transport;
use crate::backend::redis::value::{PushKind, Value};
use crate::backend::socket::{Interest, Signal, Stream, wait};
use crate::types::time::{self, Timestamp};
use crate::wire::reply::Notification;

/// A TLS handshake that has not ended by then may be one with a port that does not speak TLS.
#[cfg(feature = "tls-rustls")]
const SUSPICIOUS: Duration = Duration::from_secs(1);

#[cfg_attr(not(feature = "tls-rustls"), expect(unused_variables, reason = "for TLS"))]
fn transport(
    endpoint: &Endpoint,
    certificates: &Certificates,
    limit: &Limit,
) -> Result<Transport, OpenError> {
    let tcp = |host: &str, port| connect_tcp(host, port, endpoint, limit);
    Ok(match &endpoint.address {
        Address::Tcp { host, port } => Transport::plain(tcp(host, *port)?),
        #[cfg(feature = "tls-rustls")]
        Address::Tls { host, port, .. } => {
            let session = tls::start(host, certificates)?;
            Transport::with_tls(tcp(host, *port)?, session)
        }
        #[cfg(unix)]
        Address::Unix(path) => {
            let stream = Stream::Unix(UnixStream::connect(path).map_err(from_io)?);
            stream.set_nonblocking().map_err(from_io)?;
            Transport::plain(stream)
        }
        #[cfg(not(all(unix, feature = "tls-rustls")))]
        _ => {
            use crate::protocol::connection::ConnectErrorKind;

            let text = "the address is not supported".to_owned();
            return Err(OpenError::Unfit(ConnectErrorKind::Permanent, text));
        }
    })
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
    endpoint: &Endpoint,
    limit: &Limit,
) -> Result<Stream, OpenError> {
    let addresses =
        (host, port).to_socket_addrs().map_err(|error| no_address(&error.to_string()))?;
    let mut failed = no_address("no address was found for the host");
    for address in addresses {
        let left = limit.until.since(time::now());
        if left.is_zero() {
            return Err(OpenError::Slow(limit.span));
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(tcp) => return with_settings(tcp, endpoint).map_err(from_io),
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                failed = OpenError::Slow(limit.span);
            }
            Err(error) => failed = from_io(error),
        }
    }
    Err(failed)
}

/// Small commands need `TCP_NODELAY`, and keepalive finds a connection that the network silently
/// dropped.
fn with_settings(tcp: TcpStream, endpoint: &Endpoint) -> io::Result<Stream> {
    tcp.set_nodelay(true)?;
    SockRef::from(&tcp).set_tcp_keepalive(&endpoint.keepalive)?;
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    SockRef::from(&tcp).set_tcp_user_timeout(endpoint.user_timeout)?;
    let stream = Stream::Tcp(tcp);
    stream.set_nonblocking()?;
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
        endpoint: &Endpoint,
        certificates: &Certificates,
        limit: &Limit,
        stop: &'a Signal,
    ) -> Result<Self, OpenError> {
        let transport = transport(endpoint, certificates, limit)?;
        let (received, heard, unsent) = (ReceiveBuffer::default(), Vec::new(), Vec::new());
        Ok(Self { transport, received, heard, news: false, stop, unsent })
    }

    /// Connects and authenticates. Each of the two may take so long.
    pub(crate) fn greet(
        endpoint: &Endpoint,
        certificates: &Certificates,
        limit: Duration,
        stop: &'a Signal,
    ) -> Result<Self, OpenError> {
        let mut dialogue = Self::open(endpoint, certificates, &Limit::of(limit), stop)?;
        let answers = dialogue.ask(&endpoint.address, &hello(endpoint), &Limit::of(limit))?;
        check_hello(endpoint, answers)?;
        Ok(dialogue)
    }

    /// Sends commands and waits for their answers.
    #[cfg_attr(not(feature = "tls-rustls"), expect(unused_variables, reason = "for TLS"))]
    pub(crate) fn ask(
        &mut self,
        address: &Address,
        commands: &Pipeline,
        limit: &Limit,
    ) -> Result<Vec<Value>, OpenError> {
        #[cfg(feature = "tls-rustls")]
        if self.transport.is_handshaking()
            && let Address::Tls { host, port, .. } = address
        {
            let suspicious = time::now().plus(SUSPICIOUS).min(limit.until);
            let early = Limit { until: suspicious, ..*limit };
            match self.exchange(Some(commands), commands.count, &early) {
                Err(OpenError::Slow(_)) if self.transport.is_handshaking() => {
                    if speaks_plainly(host, *port) {
                        return Err(OpenError::WithoutTls);
                    }
                    return self.exchange(None, commands.count, limit);
                }
                answers => return answers,
            }
        }
        self.exchange(Some(commands), commands.count, limit)
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
            self.unsent.extend_from_slice(&commands.bytes);
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
