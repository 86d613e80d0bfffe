//! The server of a schedule, which may be away.

use std::io;
use std::time::Duration;

use redis::{Client, Connection, FromRedisValue, RedisResult};
use testkit::{FaultProxy, RedisServer, ServerClock};

use crate::schedule::Schedule;

/// A server that stands still is not waited for longer.
const LIMIT: Duration = Duration::from_millis(400);

/// The server of a schedule. Commands to it may fail.
#[derive(Debug)]
pub struct Server {
    redis: RedisServer,
    client: Client,
    has_clock: bool,
    is_up: bool,
    stands_still: bool,
}

impl Server {
    /// One as the schedule wants it.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(schedule: &Schedule) -> io::Result<Self> {
        let mut builder = RedisServer::builder().append_only(schedule.append_only);
        // Who kills only the process leaves what it has written with the system, synced or not.
        builder = builder.arg("appendfsync", "no");
        if schedule.moves_the_clock() {
            builder = builder.with_clock();
        }
        let redis = builder.start()?;
        let client = Client::open(redis.url()).map_err(io::Error::other)?;
        Ok(Self {
            redis,
            client,
            has_clock: schedule.moves_the_clock(),
            is_up: true,
            stands_still: false,
        })
    }

    pub(super) fn url(&self) -> String {
        self.redis.url()
    }

    pub(super) fn proxy(&self) -> io::Result<FaultProxy> {
        FaultProxy::start(&self.redis)
    }

    fn connection(&self) -> RedisResult<Connection> {
        let connection = self.client.get_connection_with_timeout(LIMIT)?;
        connection.set_read_timeout(Some(LIMIT))?;
        connection.set_write_timeout(Some(LIMIT))?;
        Ok(connection)
    }

    /// Sends a command, on a connection of its own.
    pub(crate) fn ask<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        if self.stands_still {
            // To wait would only delay what is to happen next.
            return Err((redis::ErrorKind::Client, "the server stands still").into());
        }
        let mut command = redis::Cmd::new();
        command.arg(words);
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

    /// Starts it again, unless it runs.
    pub(super) fn come_back(&mut self) {
        if !self.is_up {
            self.redis.restart().expect("a server that ran once runs again");
            self.is_up = true;
        }
    }

    pub(super) fn clock(&self) -> Option<&ServerClock> {
        self.has_clock.then(|| self.redis.clock())
    }
}
