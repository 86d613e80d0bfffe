//! A primary and its replicas behind one address.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::{FaultProxy, RedisServer, eventually};

/// A replica that has to copy everything from its primary first takes less.
const LIMIT: Duration = Duration::from_secs(30);

/// A primary with replicas, and one address that leads to the primary, as that of a managed
/// service: [`promote`](Self::promote) makes another server the primary and moves the address.
/// Nobody watches them.
#[derive(Debug)]
pub struct Replicated {
    servers: Vec<RedisServer>,
    primary: AtomicUsize,
    address: FaultProxy,
}

impl Replicated {
    /// Starts a primary with so many replicas, and waits until they have copied it.
    ///
    /// # Errors
    ///
    /// If a server cannot be started.
    pub fn start(replicas: usize) -> io::Result<Self> {
        let new = || RedisServer::builder().arg("repl-diskless-sync-delay", "0").start();
        let servers: Vec<_> = (0..=replicas).map(|_| new()).collect::<Result<_, _>>()?;
        let address = FaultProxy::start(&servers[0])?;
        let all = Self { servers, primary: AtomicUsize::new(0), address };
        all.replicate();
        Ok(all)
    }

    /// The address of the primary, now and after each [`promote`](Self::promote). Its faults are
    /// those between clients and the primary.
    #[must_use]
    pub const fn address(&self) -> &FaultProxy {
        &self.address
    }

    /// `redis://127.0.0.1:PORT/` of the [`address`](Self::address).
    #[must_use]
    pub fn url(&self) -> String {
        self.address.url()
    }

    /// The primary.
    #[must_use]
    pub fn primary(&self) -> &RedisServer {
        &self.servers[self.primary.load(Ordering::SeqCst)]
    }

    /// The others.
    pub fn replicas(&self) -> impl Iterator<Item = &RedisServer> {
        let primary = self.primary.load(Ordering::SeqCst);
        let others = self.servers.iter().enumerate().filter(move |(index, _)| *index != primary);
        others.map(|(_, server)| server)
    }

    /// Makes the first replica the primary, with what it has copied by now, and leads the address
    /// to it. The old primary goes on as it was: it may be paused, killed, or answer as a primary.
    /// Connections stay open. The other replicas follow the new primary.
    pub fn promote(&self) {
        let old = self.primary.load(Ordering::SeqCst);
        let new = (old + 1) % self.servers.len();
        self.servers[new].command(&["REPLICAOF", "NO", "ONE"]);
        let others = (0..self.servers.len()).filter(|&server| server != old && server != new);
        for server in others {
            self.follow(server, new);
        }
        self.primary.store(new, Ordering::SeqCst);
        self.address.lead_to(&self.servers[new]);
    }

    /// Makes all servers replicas of the primary, also an old one that was started again, and waits
    /// until they have copied and acknowledged it.
    ///
    /// # Panics
    ///
    /// If a server does not answer, or that takes too long.
    pub fn replicate(&self) {
        let primary = self.primary.load(Ordering::SeqCst);
        let others = (0..self.servers.len()).filter(|&server| server != primary);
        others.clone().for_each(|server| self.follow(server, primary));
        for server in others {
            let copied = || self.servers[server].replication_says("master_link_status:up");
            eventually(LIMIT, "the replica has copied its primary", copied);
        }
        self.primary().wait_for_acknowledgment(self.servers.len() - 1);
    }

    fn follow(&self, server: usize, primary: usize) {
        let port = self.servers[primary].port().to_string();
        self.servers[server].command(&["REPLICAOF", "127.0.0.1", &port]);
    }
}

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::*;

    #[test]
    fn the_address_moves_to_the_promoted_replica_with_the_data() {
        let all = Replicated::start(2).unwrap();
        let has_nothing = |replica: &RedisServer| replica.replication_says("master_repl_offset:0");
        assert!(
            !all.replicas().any(has_nothing),
            "what is written from now on reaches them at once"
        );
        let mut client = redis::Client::open(all.url()).unwrap().get_connection().unwrap();
        redis::cmd("SET").arg("a").arg(1).exec(&mut client).unwrap();
        eventually(LIMIT, "both have it", || {
            all.replicas().all(|replica| replica.command(&["EXISTS", "a"]) == Value::Int(1))
        });
        let old = all.primary().port();
        all.promote();
        let mut moved = redis::Client::open(all.url()).unwrap().get_connection().unwrap();
        redis::cmd("SET").arg("a").arg(2).exec(&mut moved).unwrap();
        assert_ne!(all.primary().port(), old);
        assert_eq!(all.primary().command(&["GET", "a"]), Value::BulkString(b"2".to_vec()));
        all.replicate();
        assert_eq!(all.replicas().count(), 2);
        eventually(LIMIT, "both follow", || {
            let copy = Value::BulkString(b"2".to_vec());
            all.replicas().all(|replica| replica.command(&["GET", "a"]) == copy)
        });
    }
}
