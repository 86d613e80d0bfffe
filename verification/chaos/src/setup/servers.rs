use std::io;

use redis::{FromRedisValue, Value};
use testkit::{Cluster, RedisServer};

use super::server::Server;
use crate::schedule::{Schedule, Topology};

/// The servers of a schedule.
#[derive(Debug)]
pub(crate) enum Servers {
    One(Box<Server>),
    Cluster(Cluster),
}

impl Servers {
    /// Starts a server, or takes a cluster that an earlier schedule has left, without its data.
    pub(super) fn start(schedule: &Schedule, cluster: &mut Option<Cluster>) -> io::Result<Self> {
        match schedule.topology {
            Topology::Server => Ok(Self::One(Box::new(Server::start(schedule)?))),
            Topology::Cluster => {
                let all = cluster.take().map_or_else(Cluster::start, Ok)?;
                for primary in all.primaries() {
                    all.node(primary).command(&["FLUSHALL"]);
                }
                for node in nodes(&all) {
                    node.command(&["SCRIPT", "FLUSH"]);
                }
                all.heal()?;
                // Nothing is lost that the schedule needs.
                let _ = all.take_dropped();
                Ok(Self::Cluster(all))
            }
        }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::One(server) => server.url(),
            Self::Cluster(all) => all.url(),
        }
    }

    /// For one of the workers.
    pub(super) fn url_for(&self, worker: usize) -> String {
        match self {
            Self::One(server) => server.url_for(worker),
            Self::Cluster(all) => all.url(),
        }
    }

    /// Asks the server that has a key of this name.
    pub(crate) fn ask<T: FromRedisValue>(&self, name: &str, words: &[&str]) -> Option<T> {
        match self {
            Self::One(server) => server.command(words).ok(),
            Self::Cluster(all) => all.node(all.owner_of(all.slot_of(name))).ask(words),
        }
    }

    /// Asks all servers; none if one does not answer.
    pub(crate) fn ask_each<T: FromRedisValue>(&self, words: &[&str]) -> Option<Vec<T>> {
        match self {
            Self::One(server) => Some(vec![server.command(words).ok()?]),
            Self::Cluster(all) => nodes(all).map(|node| node.ask(words)).collect(),
        }
    }

    /// Whether a server has lost keys by itself.
    pub(crate) fn take_dropped(&self) -> bool {
        matches!(self, Self::Cluster(all) if all.take_dropped())
    }

    /// What PUBSUB calls the channels that are used.
    pub(crate) fn channels(&self) -> &'static str {
        match self {
            Self::One(_) => "CHANNELS",
            Self::Cluster(_) => "SHARDCHANNELS",
        }
    }

    /// Ends all faults.
    pub(super) fn heal(&mut self) {
        match self {
            Self::One(server) => server.heal(),
            Self::Cluster(all) => {
                for node in nodes(all) {
                    // One that does not run is not paused.
                    node.ask::<Value>(&["CLIENT", "UNPAUSE"]);
                }
                all.heal().expect("nodes that ran once start again");
            }
        }
    }
}

fn nodes(all: &Cluster) -> impl Iterator<Item = &RedisServer> {
    (0..Cluster::NODES).map(|index| all.node(index))
}
