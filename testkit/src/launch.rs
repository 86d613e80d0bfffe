//! Starting a redis-server process and knowing that it is the one that answers.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net;
use rustix::net::sockopt::set_socket_reuseaddr;

use crate::RedisServer;
#[cfg(target_os = "linux")]
use crate::ServerClock;
use crate::process::Process;

/// How long a server may take until it answers; it takes milliseconds on an idle machine.
const START_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(2);
/// Ports that are tried. Another process can take one on systems that cannot reserve it.
const ATTEMPTS: u32 = 8;
const LOG: &str = "redis.log";

/// A port of 127.0.0.1 that refuses connections: a socket is bound to it and does not listen. The
/// system gives the port to no other socket until this is dropped.
#[derive(Debug)]
pub struct ReservedPort {
    number: u16,
    _socket: Option<OwnedFd>,
}

impl ReservedPort {
    /// Reserves a port.
    ///
    /// # Errors
    ///
    /// If the system has no free port or socket.
    pub fn new() -> io::Result<Self> {
        let (number, socket) = bind()?;
        Ok(Self { number, _socket: Some(socket) })
    }

    /// Reserves a port that a server can listen on, also again after a restart. Servers set
    /// `SO_REUSEADDR`, as this socket does, and Linux lets two such sockets share a port if only
    /// one of them listens. Other systems do not, so there the port is free until the server takes
    /// it.
    ///
    /// # Errors
    ///
    /// If the system has no free port or socket.
    pub fn for_server() -> io::Result<Self> {
        let (number, socket) = bind()?;
        Ok(Self { number, _socket: cfg!(target_os = "linux").then_some(socket) })
    }

    /// The number of the port.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// `redis://127.0.0.1:PORT/`.
    #[must_use]
    pub fn url(&self) -> String {
        url(self.number)
    }
}

fn bind() -> io::Result<(u16, OwnedFd)> {
    let socket = net::socket(net::AddressFamily::INET, net::SocketType::STREAM, None)?;
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    set_socket_reuseaddr(&socket, true)?;
    net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
    let address = SocketAddrV4::try_from(net::getsockname(&socket)?)?;
    Ok((address.port(), socket))
}

/// How clients name what listens on this port of 127.0.0.1.
pub(crate) fn url(port: u16) -> String {
    format!("redis://127.0.0.1:{port}/")
}

/// How to start a server; made by [`RedisServer::builder`].
#[derive(Clone, Debug, Default)]
pub struct Builder {
    pub(crate) settings: Vec<(String, String)>,
    append_only: bool,
    sentinel: bool,
    #[cfg(target_os = "linux")]
    clock: bool,
}

impl Builder {
    /// Adds a setting of `redis.conf`, for example `("maxmemory", "2mb")`. None by default.
    #[must_use]
    pub fn arg(mut self, flag: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((flag.into(), value.into()));
        self
    }

    /// Whether the server keeps an append-only file, synced on every write: what survives
    /// [`RedisServer::restart`]. Off by default, so that a restart loses everything.
    #[must_use]
    pub fn append_only(mut self, yes: bool) -> Self {
        self.append_only = yes;
        self
    }

    /// Gives the server a clock of its own, [`RedisServer::clock`]. Needs a C compiler, `cc`.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn with_clock(mut self) -> Self {
        self.clock = true;
        self
    }

    /// Runs it as a Sentinel, which watches nothing at first and writes what it learns to a file in
    /// its directory.
    #[must_use]
    pub fn sentinel(mut self) -> Self {
        self.sentinel = true;
        self
    }

    /// Starts the server and waits until it answers.
    pub fn start(self) -> io::Result<RedisServer> {
        let dir = tempfile::Builder::new().prefix("testkit-redis-").tempdir()?;
        #[cfg(target_os = "linux")]
        let clock = self.clock.then(|| ServerClock::new(dir.path())).transpose()?;
        let mut taken = io::Error::other("no port was tried");
        for _ in 0..ATTEMPTS {
            let port = ReservedPort::for_server()?;
            match self.launch(port.number(), dir.path()) {
                Ok(process) => {
                    let server = RedisServer::new(self, port, dir, process);
                    #[cfg(target_os = "linux")]
                    let server = server.with_clock(clock);
                    return Ok(server);
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => taken = error,
                Err(error) => return Err(error),
            }
        }
        Err(taken)
    }

    /// Starts the server on this port in this directory and waits until it answers.
    pub(crate) fn launch(&self, port: u16, dir: &Path) -> io::Result<Process> {
        let mut process = Process::spawn(&mut self.command(port, dir)?, dir).map_err(explain)?;
        wait_until_it_answers(&mut process, port, dir)?;
        Ok(process)
    }

    fn command(&self, port: u16, dir: &Path) -> io::Result<Command> {
        let log = File::create(dir.join(LOG))?;
        let mut command = Command::new("redis-server");
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        #[cfg(target_os = "linux")]
        if self.clock {
            ServerClock::attach(&mut command, dir);
        }
        if self.sentinel {
            let file = dir.join("sentinel.conf");
            if !file.exists() {
                let settings =
                    self.settings.iter().map(|(flag, value)| format!("{flag} {value}\n"));
                let text = format!("bind 127.0.0.1\nport {port}\ndir {}\n", dir.display());
                fs::write(&file, settings.fold(text, |text, line| text + &line))?;
            }
            command.arg(file).arg("--sentinel");
            return Ok(command);
        }
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--daemonize", "no", "--save", ""]).arg("--dir").arg(dir);
        command.args(["--appendonly", if self.append_only { "yes" } else { "no" }]);
        command.args(["--appendfsync", "always"]);
        for (flag, value) in &self.settings {
            command.arg(format!("--{}", flag.trim_start_matches('-'))).arg(value);
        }
        Ok(command)
    }
}

fn explain(error: io::Error) -> io::Error {
    if error.kind() != io::ErrorKind::NotFound {
        return error;
    }
    let text = "there is no redis-server on the PATH: install it (`apt install redis-server`, \
                `dnf install redis`, `brew install redis`)";
    io::Error::new(io::ErrorKind::NotFound, text)
}

fn wait_until_it_answers(process: &mut Process, port: u16, dir: &Path) -> io::Result<()> {
    let start = Instant::now();
    while answering_process(port) != Some(process.id()) {
        if let Some(status) = process.ended()? {
            return Err(early_exit(&format!("redis-server ended at once ({status})"), dir));
        }
        if start.elapsed() > START_LIMIT {
            let text = format!("redis-server did not answer within {START_LIMIT:?}");
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        thread::sleep(POLL);
    }
    Ok(())
}

/// The id of the server process behind this port, once it answers PING. Another server may have
/// taken the port first and would answer too.
fn answering_process(port: u16) -> Option<u32> {
    let client = redis::Client::open(url(port)).ok()?;
    let mut connection = client.get_connection_with_timeout(START_LIMIT).ok()?;
    connection.set_read_timeout(Some(START_LIMIT)).ok()?;
    redis::cmd("PING").query::<()>(&mut connection).ok()?;
    let info: String = redis::cmd("INFO").arg("server").query(&mut connection).ok()?;
    info.lines().find_map(|line| line.strip_prefix("process_id:")?.parse().ok())
}

fn early_exit(what: &str, dir: &Path) -> io::Error {
    let log = fs::read_to_string(dir.join(LOG)).unwrap_or_default();
    let taken = log.contains("Address already in use");
    let kind = if taken { io::ErrorKind::AddrInUse } else { io::ErrorKind::Other };
    io::Error::new(kind, format!("{what}; its log says:\n{log}"))
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    use std::net::TcpListener;
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn a_missing_server_is_explained() {
        let error = explain(io::Error::from(io::ErrorKind::NotFound));
        assert!(error.to_string().contains("install it"), "{error}");
    }

    #[test]
    fn a_taken_port_is_an_error_of_its_own_kind() {
        let first = RedisServer::start().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let error = Builder::default().launch(first.port(), dir.path()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_reserved_port_refuses_connections() {
        let port = ReservedPort::new().unwrap();
        let error = TcpStream::connect((Ipv4Addr::LOCALHOST, port.number())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_reserved_port_is_given_to_no_other_socket() {
        let port = ReservedPort::for_server().unwrap();
        let others: Vec<_> = (0..1000).map(|_| ReservedPort::new().unwrap()).collect();
        assert!(others.iter().all(|other| other.number() != port.number()));
        // With `SO_REUSEADDR`, as std sets it.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.number())).unwrap();
        assert_eq!(listener.local_addr().unwrap().port(), port.number());
    }

    #[test]
    fn a_setting_the_server_refuses_is_an_error_with_its_words() {
        let error = RedisServer::builder().arg("maxmemory", "lots").start().unwrap_err();
        assert!(error.to_string().contains("maxmemory"), "{error}");
    }
}
