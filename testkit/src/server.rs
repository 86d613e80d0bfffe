//! A running redis-server.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use crate::Builder;
#[cfg(target_os = "linux")]
use crate::ServerClock;
use crate::launch::ReservedPort;
use crate::process::{Process, pause_child, resume_child};

/// The timeout of commands, so that a test fails instead of hanging.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// A redis-server process for one test, with its own port on 127.0.0.1 and its own directory. It is
/// killed when this value is dropped, or when the process that started it ends.
#[derive(Debug)]
pub struct RedisServer {
    builder: Builder,
    port: ReservedPort,
    dir: TempDir,
    process: Mutex<Option<Process>>,
    #[cfg(target_os = "linux")]
    clock: Option<ServerClock>,
}

impl RedisServer {
    /// Starts a server without persistence and waits until it is ready.
    pub fn start() -> io::Result<Self> {
        Self::builder().start()
    }

    /// Settings for a server.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(
        builder: Builder,
        port: ReservedPort,
        dir: TempDir,
        process: Process,
    ) -> Self {
        Self {
            builder,
            port,
            dir,
            process: Mutex::new(Some(process)),
            #[cfg(target_os = "linux")]
            clock: None,
        }
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn with_clock(mut self, clock: Option<ServerClock>) -> Self {
        self.clock = clock;
        self
    }

    /// `redis://127.0.0.1:PORT/`.
    #[must_use]
    pub fn url(&self) -> String {
        self.port.url()
    }

    /// The port, which restarts do not change.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The process id.
    ///
    /// # Panics
    ///
    /// If the server was killed and not restarted.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process().as_ref().expect("the server runs").id()
    }

    /// A new connection.
    ///
    /// # Panics
    ///
    /// If the server does not reply.
    #[must_use]
    pub fn connection(&self) -> redis::Connection {
        let client = redis::Client::open(self.url()).expect("the url is well formed");
        client.get_connection_with_timeout(CONNECT_LIMIT).expect("the server answers")
    }

    /// Sends one command on a new connection.
    ///
    /// # Panics
    ///
    /// If the server does not reply, or replies with an error.
    #[allow(
        clippy::must_use_candidate,
        reason = "most commands of a test are sent for their effect"
    )]
    pub fn command(&self, words: &[&str]) -> redis::Value {
        let mut command = redis::Cmd::new();
        command.arg(words);
        command.query(&mut self.connection()).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// The server's clock.
    ///
    /// # Panics
    ///
    /// If it was not started [`with_clock`](Builder::with_clock).
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn clock(&self) -> &ServerClock {
        self.clock.as_ref().expect("the server was started with a clock")
    }

    /// Changes a setting of its [`Builder`], from the next start on.
    pub(crate) fn set(&mut self, flag: &str, value: String) {
        let setting = self.builder.settings.iter_mut().find(|(name, _)| name == flag);
        setting.expect("it was started with this setting").1 = value;
    }

    /// Whether it was started and not killed.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.process().is_some()
    }

    /// Kills the server with SIGKILL and waits for its end. Does nothing if it is not running.
    pub fn kill(&self) {
        drop(self.process().take());
    }

    /// Kills the server if it is running and starts it again on the same port and directory. It
    /// keeps its data if it is [`append_only`](Builder::append_only). Returns when it is ready.
    pub fn restart(&self) -> io::Result<()> {
        self.kill();
        let process = self.builder.launch(self.port(), self.dir.path())?;
        *self.process() = Some(process);
        Ok(())
    }

    /// Pauses the server (SIGSTOP): connections stay open and get no replies.
    pub fn pause(&self) {
        pause_child(self.pid());
    }

    /// Resumes a paused server (SIGCONT).
    pub fn resume(&self) {
        resume_child(self.pid());
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Instant;

    use redis::Value;

    use super::*;

    #[test]
    fn a_restart_keeps_the_port_and_loses_the_data() {
        let server = RedisServer::start().unwrap();
        let before = (server.url(), server.pid());
        server.command(&["SET", "a", "1"]);
        server.restart().unwrap();
        assert_eq!(server.url(), before.0);
        assert_ne!(server.pid(), before.1);
        assert_eq!(server.command(&["GET", "a"]), Value::Nil);
    }

    #[test]
    fn an_append_only_server_keeps_its_data() {
        let server = RedisServer::builder().append_only(true).start().unwrap();
        server.command(&["SET", "a", "1"]);
        server.restart().unwrap();
        assert_eq!(server.command(&["GET", "a"]), Value::BulkString(b"1".to_vec()));
    }

    #[test]
    fn a_setting_reaches_the_server() {
        let server = RedisServer::builder().arg("maxmemory", "3mb").start().unwrap();
        let info: Vec<String> = redis::cmd("CONFIG")
            .arg(&["GET", "maxmemory"])
            .query(&mut server.connection())
            .unwrap();
        assert_eq!(info, ["maxmemory", "3145728"]);
    }

    #[test]
    fn a_paused_server_answers_when_it_is_resumed() {
        let server = RedisServer::start().unwrap();
        let mut connection = server.connection();
        server.pause();
        let start = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(60));
                server.resume();
            });
            redis::cmd("PING").query::<()>(&mut connection).unwrap();
        });
        assert!(start.elapsed() >= Duration::from_millis(50));
    }

    #[test]
    fn nothing_is_left_behind() {
        let server = RedisServer::start().unwrap();
        let dir = server.dir.path().to_owned();
        let mut connection = server.connection();
        drop(server);
        assert!(!dir.exists());
        redis::cmd("PING").query::<()>(&mut connection).unwrap_err();
    }
}
