//! A Redis Cluster: finds out which of its nodes serve which slots.
//!
//! Nodes are asked, not the cluster, and one of them may be wrong: a node that is cut off sees all
//! others fail, and one that was frozen has not heard of the last failover. So up to three are
//! asked at a time, only those count that say the cluster works, and of these the one that knows
//! the latest epoch.

pub(crate) mod topology;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::backend::ConnectError;
use crate::backend::redis::RedisServer;
use crate::backend::redis::address::{AddressListUrl, NodeAddress, joined, parse_all};
use crate::backend::redis::cluster::topology::{Topology, Unusable, redirected};
use crate::backend::redis::command::Pipeline;
use crate::backend::redis::dialogue::{Dialogue, Limit};
use crate::backend::redis::endpoint::Endpoint;
use crate::backend::redis::errors::{OpenError, connect_error};
use crate::backend::redis::preflight::Denied;
use crate::backend::redis::value::Value;
use crate::backend::server::Server;
use crate::backend::socket::Signal;
use crate::protocol::connection::ConnectErrorKind;
use crate::types::environment::thread;
use crate::types::text::printable;
use crate::types::time::{self, Timestamp};
use crate::user_code;

/// The port of a node whose address has none.
const PORT: u16 = 6379;
/// How many nodes are asked at a time.
const ABREAST: usize = 3;
/// The longest that connecting, and an answer, may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// A node that has not answered by then is no reason not to ask the next one.
const SLOW: Duration = Duration::from_millis(300);
/// How long others are waited for after an answer that can be used.
const OTHERS: Duration = Duration::from_millis(100);
/// How often it is looked whether to stop.
const LOOK: Duration = Duration::from_millis(20);

/// Where a client reaches the node that others reach at this host and port; `None` if there too.
pub(crate) type AddressMap = Arc<dyn Fn(&str, u16) -> Option<(String, u16)> + Send + Sync>;

/// What a user says of a cluster.
pub(crate) struct Seeds {
    /// Some of its nodes.
    pub(crate) addresses: Vec<NodeAddress>,
    pub(crate) map: Option<AddressMap>,
}

impl Seeds {
    /// Reads `redis-cluster://user:password@host:port,host:port`, or the same with
    /// `rediss-cluster://`; `None` if that is not its scheme. Also returns the URL of a server with
    /// that user and password, whose address is that of the first node.
    pub(crate) fn parse(url: &str) -> Option<Result<(Self, String), String>> {
        let url = AddressListUrl::parse(url, "cluster", PORT)?;
        Some(url.and_then(|url| match url.path {
            "" | "0" => {
                let server = url.server("").ok_or("there is none")?;
                Ok((Self { addresses: url.addresses, map: None }, server))
            }
            path => Err(format!("a cluster has only the database 0, and no '{}'", printable(path))),
        }))
    }

    /// The same from addresses.
    pub(crate) fn of(addresses: &[String]) -> Result<(Self, String), String> {
        let addresses = parse_all(addresses.iter().map(String::as_str), PORT)?;
        let server = format!("redis://{}/", addresses.first().ok_or("there is none")?);
        Ok((Self { addresses, map: None }, server))
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&joined(&self.addresses))
    }
}

/// Asks the nodes of a cluster, and makes the servers to connect to.
pub(crate) struct Discovery {
    seeds: Seeds,
    /// A server with the settings of all; its address is that of a seed.
    like: Arc<RedisServer>,
}

impl Discovery {
    pub(crate) fn new(seeds: Seeds, like: RedisServer) -> Self {
        Self { seeds, like: Arc::new(like) }
    }

    /// The server at this address.
    pub(crate) fn server_of(&self, node: &NodeAddress) -> Server {
        Server::Redis(Box::new(self.like.at(node)))
    }

    /// Where a redirection leads, `host:port`, by the node at the address `asked`. `None` if it is
    /// no address.
    pub(crate) fn address(&self, text: &str, asked: &NodeAddress) -> Option<NodeAddress> {
        redirected(text, asked).map(|node| self.translate(node))
    }

    fn translate(&self, node: NodeAddress) -> NodeAddress {
        let Some(map) = &self.seeds.map else { return node };
        let mapped = user_code::ask(|| map(node.host(), node.port())).flatten();
        mapped.and_then(|(host, port)| NodeAddress::new(&host, port)).unwrap_or(node)
    }

    /// Asks the known nodes, then the seeds, whose names are looked up again. Blocks until then at
    /// the latest; `stop` ends it early.
    pub(crate) fn discover(
        &self,
        known: &[NodeAddress],
        until: Timestamp,
        stop: &Signal,
    ) -> Result<Topology, ConnectError> {
        let like = &self.like.endpoint;
        let error = |error| connect_error(&like.address, error, self.like.credentials.is_some());
        let endpoint = self.like.with_credentials(like.clone()).map_err(error)?;
        let mut left: Vec<&NodeAddress> = known.iter().collect();
        left.extend(self.seeds.addresses.iter().filter(|seed| !known.contains(seed)));
        left.reverse();
        let (sender, answers) = channel();
        let (mut asked, mut found, mut problems) = (Vec::new(), Vec::new(), BTreeMap::new());
        let mut until = until;
        loop {
            let now = time::now();
            while found.is_empty()
                && asked.iter().filter(|one: &&Asked| now.since(one.since) < SLOW).count() < ABREAST
                && let Some(node) = left.pop()
            {
                match self.ask(node, &endpoint, &sender) {
                    Ok(signal) => asked.push(Asked { node: node.clone(), since: now, signal }),
                    Err(error) => {
                        problems
                            .insert(node.clone(), Problem::Silent(format!("no thread: {error}")));
                    }
                }
            }
            if asked.is_empty() || now >= until || stop.is_closed() {
                break;
            }
            match answers.recv_timeout(until.since(now).min(LOOK)) {
                Ok((node, answer)) => {
                    asked.retain(|one| one.node != node);
                    match self.read(&node, answer) {
                        Ok(topology) => {
                            found.push(topology);
                            until = until.min(now.plus(OTHERS));
                        }
                        Err(problem) => drop(problems.insert(node, problem)),
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        for Asked { node, signal, .. } in asked {
            signal.close();
            let text = format!("{node} has not answered");
            problems.insert(node, Problem::Silent(text));
        }
        Topology::newest(found).ok_or_else(|| why_there_is_none(&problems))
    }

    /// Asks a node, on a thread of its own, because names are looked up and it may be slow.
    fn ask(
        &self,
        node: &NodeAddress,
        endpoint: &Endpoint,
        answers: &Sender<(NodeAddress, Result<Answers, ConnectError>)>,
    ) -> std::io::Result<Arc<Signal>> {
        let signal = Arc::new(Signal::new()?);
        let endpoint = endpoint.at(node.to_connect(&endpoint.address));
        let (like, node, answers) = (Arc::clone(&self.like), node.clone(), answers.clone());
        let stop = Arc::clone(&signal);
        thread::Builder::new().name("distlock-cluster".to_owned()).spawn(move || {
            let answer = ask_node(&like, &endpoint, &stop);
            // Nobody waits for it any more if another one was faster.
            let _ = answers.send((node, answer));
        })?;
        Ok(signal)
    }

    fn read(
        &self,
        node: &NodeAddress,
        answer: Result<Answers, ConnectError>,
    ) -> Result<Topology, Problem> {
        match answer {
            Ok(Answers::Cluster { slots, info }) => {
                let translate = |node| self.translate(node);
                Topology::parse(&slots, &info, node, &translate).map_err(Problem::Unusable)
            }
            Ok(Answers::NoCluster) => Err(Problem::NoCluster),
            Err(ConnectError { kind, text }) => Err(match kind {
                ConnectErrorKind::Permanent => Problem::Refused(text),
                ConnectErrorKind::Unreachable => Problem::Silent(text),
            }),
        }
    }
}

/// A node that has not answered yet.
struct Asked {
    node: NodeAddress,
    since: Timestamp,
    signal: Arc<Signal>,
}

enum Answers {
    Cluster { slots: Value, info: String },
    NoCluster,
}

fn ask_node(
    like: &RedisServer,
    endpoint: &Endpoint,
    stop: &Signal,
) -> Result<Answers, ConnectError> {
    let answers = || -> Result<_, OpenError> {
        let mut dialogue = Dialogue::greet(endpoint, &like.certificates, PATIENCE, stop)?;
        let mut question = Pipeline::default();
        question.add("CLUSTER", &["SLOTS"]).add("CLUSTER", &["INFO"]);
        dialogue.ask(&endpoint.address, &question, &Limit::of(PATIENCE))
    };
    let failed = |error| connect_error(&endpoint.address, error, like.credentials.is_some());
    let answers = answers().map_err(failed)?;
    let mut denied = Denied::none(&like.space);
    for (command, answer) in ["cluster slots", "cluster info"].into_iter().zip(&answers) {
        denied.note_answer(command, answer);
    }
    denied.check(endpoint.user_name()).map_err(failed)?;
    let mut answers = answers.into_iter().map(Value::extract_error);
    let mut next = || answers.next().unwrap_or(Ok(Value::Nil));
    match (next(), next()) {
        (Ok(slots), Ok(info)) => {
            let info = info.as_text().unwrap_or_default().to_owned();
            Ok(Answers::Cluster { slots, info })
        }
        (Err(error), _) | (_, Err(error)) => {
            let words = error.to_string().to_lowercase();
            if words.contains("cluster support disabled") || words.contains("unknown command") {
                return Ok(Answers::NoCluster);
            }
            Err(failed(error.into()))
        }
    }
}

/// Why a node does not say who serves the slots.
enum Problem {
    Unusable(Unusable),
    NoCluster,
    /// It does not accept the client, which another attempt does not change: a text with its
    /// address and advice.
    Refused(String),
    Silent(String),
}

impl Problem {
    fn at(&self, node: &NodeAddress) -> String {
        let node = node.to_string();
        match self {
            Self::Unusable(Unusable::Down(state)) => format!("{node} says cluster_state:{state}"),
            Self::Unusable(Unusable::Empty) => format!("{node} knows no slots"),
            Self::Unusable(Unusable::NotUnderstood) => {
                format!("{node} sends no table of them")
            }
            Self::NoCluster => format!("{node} is a single server"),
            Self::Refused(why) | Self::Silent(why) if why.starts_with(&node) => why.clone(),
            Self::Refused(why) | Self::Silent(why) => format!("{node}: {why}"),
        }
    }
}

fn why_there_is_none(problems: &BTreeMap<NodeAddress, Problem>) -> ConnectError {
    use ConnectErrorKind::{Permanent, Unreachable};

    let any = |is: fn(&Problem) -> bool| problems.values().any(is);
    let refused = problems.values().find_map(|problem| match problem {
        Problem::Refused(text) => Some(text.clone()),
        _ => None,
    });
    let why: Vec<_> = problems.iter().map(|(node, problem)| problem.at(node)).collect();
    let why = why.join(", ").replace(';', ",");
    let (kind, text) = if any(|one| matches!(one, Problem::Unusable(Unusable::Down(_)))) {
        let text = format!(
            "CLUSTERDOWN no node says that the cluster works ({why}); check that a majority \
             of its masters runs, and see what `redis-cli --cluster check` says"
        );
        (Unreachable, text)
    } else if any(|one| matches!(one, Problem::Unusable(Unusable::Empty))) {
        let text = format!(
            "the nodes are not joined to a cluster ({why}); join them with `redis-cli --cluster \
             create`"
        );
        (Unreachable, text)
    } else if let Some(text) = refused {
        (Permanent, text)
    } else if any(|one| matches!(one, Problem::NoCluster)) {
        let text = format!("this is no Redis Cluster ({why}); write redis:// for a single server");
        (Permanent, text)
    } else {
        let text = format!(
            "no node of the cluster says where its slots are ({why}); check their addresses and \
             that they run"
        );
        (Unreachable, text)
    };
    ConnectError { text, kind }
}

#[cfg(test)]
pub(crate) mod tests;
