//! The baseline: the commands of a lock without queue, renewal or token. Of a cluster, the client
//! of the crate `redis` finds the nodes.

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{
    Client, Cmd, ConnectionLike, Pipeline, RedisFuture, RedisResult, Script, ScriptInvocation,
    Value,
};

use super::TTL;

/// What the URLs of clusters begin with.
const CLUSTER: &str = "redis-cluster://";

/// Deletes the key if it has our token.
const COMPARE_AND_DELETE: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";
/// As long as the tokens of the libraries.
const TOKEN: &str = "0123456789abcdef";

/// The nodes that a URL of a cluster names, as URLs.
pub fn seeds(url: &str) -> Option<Vec<String>> {
    let addresses = url.strip_prefix(CLUSTER)?;
    Some(addresses.split(',').map(|address| format!("redis://{address}")).collect())
}

/// Many tasks use clones of one.
#[derive(Clone)]
pub enum RawConnection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl RawConnection {
    pub async fn open(url: &str) -> RedisResult<Self> {
        Ok(match seeds(url) {
            None => Self::Server(Client::open(url)?.get_multiplexed_async_connection().await?),
            Some(seeds) => Self::Cluster(ClusterClient::new(seeds)?.get_async_connection().await?),
        })
    }
}

/// A connection for one thread; to a cluster, one to each node.
pub fn connect(url: &str) -> RedisResult<Box<dyn ConnectionLike + Send>> {
    Ok(match seeds(url) {
        None => Box::new(Client::open(url)?.get_connection()?),
        Some(seeds) => Box::new(ClusterClient::new(seeds)?.get_connection()?),
    })
}

impl redis::aio::ConnectionLike for RawConnection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(connection) => connection.req_packed_commands(commands, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(commands, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

pub fn acquire(key: &str) -> Cmd {
    let millis = u64::try_from(TTL.as_millis()).expect("a short ttl");
    let mut set = redis::cmd("SET");
    set.arg(key).arg(TOKEN).arg("NX").arg("PX").arg(millis);
    set
}

pub fn script() -> Script {
    Script::new(COMPARE_AND_DELETE)
}

pub fn release<'a>(script: &'a Script, key: &str) -> ScriptInvocation<'a> {
    let mut call = script.key(key);
    call.arg(TOKEN);
    call
}
