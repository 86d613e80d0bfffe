use std::io;
use std::time::Duration;

use redis::{Client, Connection, FromRedisValue, RedisResult};
use testkit::{FaultProxy, RedisServer, ServerClock};

use crate::schedule::Schedule;

/// The timeout of a command to a server that may be paused.
const LIMIT: Duration = Duration::from_millis(400);

/// The server of a schedule. Commands to it may fail.
#[derive(Debug)]
pub(crate) struct Server {
    redis: RedisServer,
    client: Client,
    /// One for each worker if the schedule has network faults; otherwise none, which is faster.
    pub(super) proxies: Vec<FaultProxy>,
    has_clock: bool,
    is_up: bool,
    stands_still: bool,
}

impl Server {
    pub(super) fn start(schedule: &Schedule) -> io::Result<Self> {
        let mut builder = RedisServer::builder().append_only(schedule.append_only);
        // Killing the process alone loses no writes that the operating system has accepted.
        builder = builder.arg("appendfsync", "no");
        if schedule.moves_the_clock() {
            builder = builder.with_clock();
        }
        let redis = builder.start()?;
        let client = Client::open(redis.url()).map_err(io::Error::other)?;
        let wanted = schedule.faults.iter().any(|fault| fault.kind.is_of_the_network());
        let count = if wanted { schedule.processes } else { 0 };
        let proxies = (0..count).map(|_| FaultProxy::start(&redis)).collect::<Result<_, _>>()?;
        Ok(Self {
            redis,
            client,
            proxies,
            has_clock: schedule.moves_the_clock(),
            is_up: true,
            stands_still: false,
        })
    }

    pub(super) fn url(&self) -> String {
        self.redis.url()
    }

    pub(super) fn url_for(&self, worker: usize) -> String {
        self.proxies.get(worker).map_or_else(|| self.url(), FaultProxy::url)
    }

    fn connection(&self) -> RedisResult<Connection> {
        let connection = self.client.get_connection_with_timeout(LIMIT)?;
        connection.set_read_timeout(Some(LIMIT))?;
        connection.set_write_timeout(Some(LIMIT))?;
        Ok(connection)
    }

    /// Sends a command on a new connection.
    pub(crate) fn command<T: FromRedisValue>(&self, text: &[&str]) -> RedisResult<T> {
        if self.stands_still {
            // Waiting would only delay the next fault.
            return Err((redis::ErrorKind::Client, "the server is paused").into());
        }
        let mut command = redis::Cmd::new();
        command.arg(text);
        command.query(&mut self.connection()?)
    }

    pub(super) fn pause(&mut self) {
        if self.is_up {
            self.stands_still = true;
            self.redis.pause();
        }
    }

    pub(super) fn resume(&mut self) {
        self.stands_still = false;
        if self.is_up {
            self.redis.resume();
        }
    }

    pub(super) fn crash(&mut self) {
        self.is_up = false;
        self.stands_still = false;
        self.redis.kill();
    }

    /// Restarts the server unless it is running.
    pub(super) fn restart(&mut self) {
        if !self.is_up {
            self.redis.restart().expect("a server that ran once starts again");
            self.is_up = true;
        }
    }

    pub(crate) fn clock(&self) -> Option<&ServerClock> {
        self.has_clock.then(|| self.redis.clock())
    }
}
