//! The statistics of a server (`INFO`).

use std::time::Duration;

use redis::FromRedisValue;

use crate::{RedisServer, eventually};

/// How long a replica may take to copy its primary.
const COPY_LIMIT: Duration = Duration::from_secs(20);

impl RedisServer {
    /// The number of commands that the server has executed since its start, including those in
    /// scripts. The commands of this call itself (INFO, and HELLO, CLIENT and PING of the
    /// connection) are not counted, so two consecutive readings are equal.
    ///
    /// # Panics
    ///
    /// If the server does not reply.
    #[must_use]
    pub fn commands_processed(&self) -> u64 {
        self.info("commandstats").lines().filter_map(calls).sum()
    }

    /// The number of connected clients, without the connection of this call. A closed connection
    /// counts until the server has noticed.
    ///
    /// # Panics
    ///
    /// If the server does not reply.
    #[must_use]
    pub fn clients(&self) -> usize {
        let info = self.info("clients");
        let count = info.lines().find_map(|line| line.strip_prefix("connected_clients:"));
        let count = count.and_then(|count| count.trim().parse::<usize>().ok());
        count.expect("INFO tells the number of clients") - 1
    }

    /// Whether INFO says this of the replication, for example `role:master`. `false` without a
    /// reply: a Sentinel that changes the role of a server closes its connections.
    #[must_use]
    pub fn replication_says(&self, line: &str) -> bool {
        let info: Option<String> = self.ask(&["INFO", "replication"]);
        info.is_some_and(|info| info.lines().any(|said| said.trim() == line))
    }

    /// Waits until a replica has all that this server has executed by now.
    ///
    /// # Panics
    ///
    /// If that takes too long, or the server does not reply.
    pub fn wait_for_copy(&self, replica: &RedisServer) {
        let now = self.offset().expect("the server answers");
        eventually(COPY_LIMIT, "the replica has all data", || {
            replica.offset().is_some_and(|offset| offset >= now)
        });
    }

    /// Waits until so many replicas have acknowledged what was written just now. A primary sends
    /// its replicas nothing before they have acknowledged their copy, up to a second after it: one
    /// that takes its place before that is empty.
    ///
    /// # Panics
    ///
    /// If that takes too long, or the server does not reply.
    pub fn wait_for_acknowledgment(&self, replicas: usize) {
        // WAIT is about what its own connection wrote.
        let mut connection = self.connection();
        eventually(COPY_LIMIT, "the replicas have acknowledged what was written", || {
            let mut commands = redis::pipe();
            commands.cmd("SET").arg("copied").arg(1).ignore().cmd("DEL").arg("copied").ignore();
            commands.cmd("WAIT").arg(replicas).arg(100);
            let (acknowledged,): (usize,) = commands.query(&mut connection).expect("it answers");
            acknowledged == replicas
        });
    }

    /// How much it has replicated, or copied.
    fn offset(&self) -> Option<u64> {
        let info: String = self.ask(&["INFO", "replication"])?;
        let line = info.lines().find_map(|line| line.strip_prefix("master_repl_offset:"))?;
        line.trim().parse().ok()
    }

    /// The answer to a command; `None` if the server refuses it, or does not run or answer.
    #[allow(
        clippy::must_use_candidate,
        reason = "many commands of a test are sent for their effect"
    )]
    pub fn ask<T: FromRedisValue>(&self, words: &[&str]) -> Option<T> {
        let client = redis::Client::open(self.url()).ok()?;
        let limit = Duration::from_millis(500);
        let mut connection = client.get_connection_with_timeout(limit).ok()?;
        connection.set_read_timeout(Some(limit)).ok()?;
        redis::cmd(words[0]).arg(&words[1..]).query(&mut connection).ok()
    }

    fn info(&self, section: &str) -> String {
        let mut info = redis::cmd("INFO");
        info.arg(section).query(&mut self.connection()).expect("the server answers")
    }
}

/// Reads a line like `cmdstat_get:calls=3,usec=7,…`.
fn calls(line: &str) -> Option<u64> {
    let (name, rest) = line.trim().strip_prefix("cmdstat_")?.split_once(":calls=")?;
    if matches!(name, "info" | "hello" | "ping") || name.starts_with("client") {
        return None;
    }
    rest.split(',').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_commands_does_not_count_itself() {
        let server = RedisServer::start().unwrap();
        let before = server.commands_processed();
        assert_eq!(server.commands_processed(), before);
        server.command(&["EVAL", "return redis.call('GET', 'a')", "0"]);
        assert_eq!(server.commands_processed(), before + 2);
    }

    #[test]
    fn the_clients_are_those_of_others() {
        let server = RedisServer::start().unwrap();
        let connections = [server.connection(), server.connection()];
        eventually(Duration::from_secs(10), "two are connected", || server.clients() == 2);
        drop(connections);
        eventually(Duration::from_secs(10), "none is connected", || server.clients() == 0);
    }
}
