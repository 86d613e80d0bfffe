//! What was found out about the servers, and how the answers are read.

use std::collections::HashMap;
use std::time::Duration;

use crate::connection::Certificates;

/// What a server answered, or its words where it refused.
pub type Answer<T> = Result<T, Refusal>;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code of the server's error, for example `NOPERM`; empty if it did not answer.
    pub code: String,
    pub words: String,
}

impl Refusal {
    pub fn new(code: &str, words: &str) -> Self {
        Self { code: code.to_owned(), words: words.to_owned() }
    }

    /// An answer that nobody has asked for.
    pub fn not_asked() -> Self {
        Self::new("", "it was not asked")
    }
}

/// `name -> value`, of INFO, CONFIG GET or CLUSTER INFO.
pub type Fields = HashMap<String, String>;

/// Reads lines like `name:value`.
pub fn fields(text: &str) -> Fields {
    let lines = text.lines().filter_map(|line| line.trim_end().split_once(':'));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// All that is known.
#[derive(Debug)]
pub struct Facts {
    pub target: Target,
    pub servers: Vec<Server>,
    pub sentinels: Vec<Sentinel>,
    /// Why the library could not acquire a lock; what it said, without repetitions.
    pub failures: Vec<Failure>,
}

/// What the command line says.
#[derive(Debug)]
pub struct Target {
    pub kind: Kind,
    pub user: Option<String>,
    pub has_password: bool,
    /// The certificates, if TLS is used.
    pub tls: Option<Certificates>,
    /// Of the Sentinels, if the command line has a password for them.
    pub sentinel_user: Option<String>,
    pub prefix: String,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    Server,
    /// With the name of the primary.
    Sentinel(String),
    Cluster,
}

/// Why a lock could not be acquired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nothing is granted for a while.
    Paused(String),
    /// The right of a user is missing: what, and what to run.
    Rights {
        what: String,
        line: String,
    },
    /// The server does not know this command.
    Command(String),
    Other(String),
}

impl Failure {
    /// From the text of the library's error.
    pub fn new(text: &str) -> Self {
        let rights = text.split_once("the user '").and_then(|(_, text)| {
            let (what, rest) = text.split_once("; run in ")?;
            let (_, line) = rest.split_once("ACL SETUSER ")?;
            let line = line.split(['\n', ';']).next()?;
            // The next check tells whether the user needs what follows in parentheses.
            let line = line.split(" (").next()?.trim();
            Some((format!("the user '{what}"), format!("ACL SETUSER {line}")))
        });
        let command =
            text.split_once("unknown command '").and_then(|(_, rest)| rest.split_once('\''));
        match (rights, command) {
            (Some((what, line)), _) => Self::Rights { what, line },
            (None, Some((command, _))) => Self::Command(command.to_uppercase()),
            (None, None) => Self::Other(text.to_owned()),
        }
    }
}

/// A server with locks, or a replica of one.
#[derive(Debug)]
pub struct Server {
    /// `host:port`, or the path of a socket.
    pub address: String,
    /// Whether the password was accepted, and a connection was made at all.
    pub connected: Answer<()>,
    pub info: Answer<Fields>,
    pub config: Answer<Fields>,
    /// The shortest of some round trips.
    pub round_trip: Option<Duration>,
    /// How far its clock is ahead of that of this host, in ms.
    pub clock_ahead_ms: Option<i64>,
    /// Commands that it took long for, in the last hour.
    pub slow: Answer<Vec<SlowCommand>>,
    /// Keys with the names of locks that are none.
    pub foreign: Answer<Vec<String>>,
    pub cluster_info: Answer<Fields>,
    pub cluster_nodes: Answer<Vec<NodeLine>>,
    /// The names of primaries that a Sentinel watches.
    pub watched: Vec<String>,
}

impl Server {
    /// Nothing is known of it.
    pub fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            connected: Ok(()),
            info: Err(Refusal::not_asked()),
            config: Err(Refusal::not_asked()),
            round_trip: None,
            clock_ahead_ms: None,
            slow: Ok(Vec::new()),
            foreign: Ok(Vec::new()),
            cluster_info: Err(Refusal::not_asked()),
            cluster_nodes: Err(Refusal::not_asked()),
            watched: Vec::new(),
        }
    }

    /// A field of INFO.
    pub fn info(&self, name: &str) -> Option<&str> {
        self.info.as_ref().ok()?.get(name).map(String::as_str)
    }

    /// A setting.
    pub fn config(&self, name: &str) -> Option<&str> {
        self.config.as_ref().ok()?.get(name).map(String::as_str)
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        self.info(name)?.parse().ok()
    }

    /// `standalone`, `cluster` or `sentinel`. Valkey 9.1 has another name for it.
    pub fn mode(&self) -> Option<&str> {
        self.info("redis_mode").or_else(|| self.info("server_mode"))
    }

    pub fn is_replica(&self) -> bool {
        matches!(self.info("role"), Some("slave" | "replica"))
    }
}

/// An entry of SLOWLOG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowCommand {
    pub took: Duration,
    pub words: String,
}

/// A line of CLUSTER NODES.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLine {
    pub id: String,
    pub address: String,
    /// The name of its host, if it has one that it announces.
    pub host_name: Option<String>,
    pub is_itself: bool,
    pub is_failed: bool,
    /// The id of its primary; none if it is one.
    pub primary: Option<String>,
    /// The ranges of its slots.
    pub slots: Vec<(u16, u16)>,
    /// Slots that are on their way to another node, or from one.
    pub open: Vec<u16>,
}

impl NodeLine {
    pub fn parse(line: &str) -> Option<Self> {
        let words: Vec<_> = line.split_whitespace().collect();
        let [id, address, flags, primary, _, _, _, _, slots @ ..] = &words[..] else {
            return None;
        };
        // `host:port@bus,hostname,shard-id=…`; a port of IPv6 is behind the last colon.
        let mut parts = address.split(',');
        let address = parts.next()?.split('@').next()?;
        let host_name = parts.next().filter(|name| !name.is_empty() && !name.contains('='));
        let range = |word: &&str| {
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            Some((first.parse().ok()?, last.parse().ok()?))
        };
        let open = |word: &&str| word.strip_prefix('[')?.split('-').next()?.parse().ok();
        let has = |flag: &str| flags.split(',').any(|one| one == flag);
        Some(Self {
            id: (*id).to_owned(),
            address: address.to_owned(),
            host_name: host_name.map(str::to_owned),
            is_itself: has("myself"),
            is_failed: has("fail") || has("noaddr"),
            primary: (*primary != "-").then(|| (*primary).to_owned()),
            slots: slots.iter().filter_map(range).collect(),
            open: slots.iter().filter_map(open).collect(),
        })
    }

    pub fn is_primary_with_slots(&self) -> bool {
        self.primary.is_none() && !self.slots.is_empty()
    }
}

/// A Sentinel.
#[derive(Debug)]
pub struct Sentinel {
    pub address: String,
    /// What it says of the primary of the name that was asked for.
    pub primary: Answer<WatchedPrimary>,
    /// Whether it would promote a replica: its words if not.
    pub quorum_check: Answer<()>,
    /// All names that it watches.
    pub names: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedPrimary {
    /// `host:port`.
    pub address: String,
    pub quorum: usize,
    /// How many Sentinels it knows, itself included.
    pub sentinels: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_is_read_from_the_error_of_the_library() {
        let text = "lock 'a' was refused: 127.0.0.1:1: the user 'app' lacks +zadd &lock:inbox:*; \
                    run in the server: ACL SETUSER app &lock:inbox:* +hello +zadd (and ~lock:*, \
                    unless it has them)";
        let failure = Failure::new(text);
        let Failure::Rights { what, line } = failure else { panic!("{failure:?}") };
        assert_eq!(what, "the user 'app' lacks +zadd &lock:inbox:*");
        assert_eq!(line, "ACL SETUSER app &lock:inbox:* +hello +zadd");
        assert_eq!(Failure::new("no"), Failure::Other("no".to_owned()));
        let renamed = "127.0.0.1:1: ERR unknown command 'evalsha', with args beginning with: ";
        assert_eq!(Failure::new(renamed), Failure::Command("EVALSHA".to_owned()));
    }

    #[test]
    fn a_node_is_read_with_its_slots_and_those_that_are_open() {
        let line = "07c3 127.0.0.1:30004@31004,node-4 myself,master - 0 0 3 connected 0-5460 5463 \
                    [93-<-292f] [77->-e7d1]";
        let node = NodeLine::parse(line).unwrap();
        assert_eq!((node.id.as_str(), node.address.as_str()), ("07c3", "127.0.0.1:30004"));
        assert_eq!(node.host_name.as_deref(), Some("node-4"));
        assert!(node.is_itself && !node.is_failed && node.is_primary_with_slots());
        assert_eq!((node.slots, node.open), (vec![(0, 5460), (5463, 5463)], vec![93, 77]));
        let replica = "e7d1 [::1]:7000@17000 slave,fail 07c3 0 0 3 disconnected";
        let node = NodeLine::parse(replica).unwrap();
        assert_eq!((node.address.as_str(), node.primary.as_deref()), ("[::1]:7000", Some("07c3")));
        assert!(node.is_failed && !node.is_primary_with_slots());
        assert_eq!(node.host_name, None);
        let unnamed = "e7d1 10.0.0.1:7000@17000,,shard-id=69bc master - 0 0 3 connected";
        assert_eq!(NodeLine::parse(unnamed).unwrap().host_name, None);
        assert_eq!(NodeLine::parse("nonsense"), None);
    }

    #[test]
    fn fields_may_have_colons_in_their_values() {
        let read = fields("# Server\r\nredis_version:7.0.15\r\nslave0:ip=::1,port=1\r\n");
        assert_eq!(read["redis_version"], "7.0.15");
        assert_eq!(read["slave0"], "ip=::1,port=1");
    }
}
