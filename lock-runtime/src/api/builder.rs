//! The builder of a manager.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "redis")]
use redis::Client;
use uuid::Uuid;

use crate::acquire::core::CoreSettings;
use crate::acquire::options::{
    Options, check_clock_margin, check_confirm, check_max_hold, check_min_hold,
    check_server_ttl_slack, check_ttl,
};
use crate::api::manager::LockManager;
use crate::backend::redis::RedisServer;
use crate::backend::redis::cluster::{AddressMap, Discovery, Seeds};
use crate::backend::redis::endpoint::Endpoint;
use crate::backend::redis::sentinel::Sentinels;
use crate::backend::redis::tls::Certificates;
use crate::backend::redis::url;
use crate::backend::server::Server;
use crate::error::LockError;
use crate::link::effect::StatusChanges;
use crate::link::handle::{Deployment, Setup};
use crate::link::links::start;
use crate::protocol::node::NodeContext;
use crate::protocol::timing::{AfterFailover, Timing};
use crate::types::credentials::{Credentials, CredentialsProvider};
use crate::types::fence::HighestFence;
use crate::types::replicas::Replicas;
use crate::types::server_kind::ServerKind;
use crate::types::text::printable;
use crate::user_code::metrics::{LinkMetrics, describe};
use crate::wire::keyspace::Keyspace;

/// Builds a [`LockManager`].
///
/// The settings `ttl`, `wait`, `max_hold`, `min_hold`, `replicas`, `confirm`, `reenter` and `label`
/// are defaults that a request or an annotated function can override.
///
/// ```
/// # use distlock_runtime as distlock;
/// use std::time::Duration;
/// use distlock::LockManager;
///
/// let locks = LockManager::builder()
///     .url("memory://")
///     .prefix("shop:lock:")
///     .ttl(Duration::from_secs(10))
///     .wait(Duration::from_secs(30))
///     .build()?;
/// # Ok::<(), distlock::LockError>(())
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct LockManagerBuilder {
    server: Option<ServerAddress>,
    prefix: String,
    options: Options,
    timing: Timing,
    max_handoffs: u32,
    warn_lock_order: bool,
    client_name: Option<String>,
    label: Option<Box<str>>,
    metrics_by_key: bool,
    certificates: Certificates,
    credentials: Option<CredentialsProvider>,
    sentinel_credentials: Option<Credentials>,
    cluster_address_map: Option<AddressMap>,
    database: Option<u32>,
}

enum ServerAddress {
    Url(String),
    /// The name of the primary, and the Sentinels.
    Sentinel(String, Vec<String>),
    /// Some nodes of a cluster.
    Cluster(Vec<String>),
    /// Boxed because it is ten times as large as a URL with TLS.
    #[cfg(feature = "redis")]
    Client(Box<Client>),
}

const DEFAULT_TTL: Duration = Duration::from_secs(30);
/// Ends a lease whose guard or future was leaked.
const DEFAULT_MAX_HOLD: Duration = Duration::from_secs(24 * 60 * 60);

/// Amortises round trips without noticeably delaying waiters in other processes.
const DEFAULT_MAX_HANDOFFS: u32 = 8;

impl Default for LockManagerBuilder {
    fn default() -> Self {
        let (ttl, max_hold) = (Some(DEFAULT_TTL), Some(DEFAULT_MAX_HOLD));
        Self {
            server: None,
            prefix: "lock:".to_owned(),
            options: Options { ttl, max_hold, ..Options::DEFAULT },
            timing: Timing::default(),
            max_handoffs: DEFAULT_MAX_HANDOFFS,
            warn_lock_order: cfg!(debug_assertions),
            client_name: None,
            label: None,
            metrics_by_key: false,
            certificates: Certificates::default(),
            credentials: None,
            sentinel_credentials: None,
            cluster_address_map: None,
            database: None,
        }
    }
}

impl LockManagerBuilder {
    /// Sets the URL of the server: `redis://user:password@host:port/database`, `rediss://` with the
    /// feature `tls-rustls`, `unix:///path`, or one of the following. The port is 6379 if there is
    /// none. No default.
    ///
    /// `redis-sentinel://user:password@host:port,host:port/name/database` asks Sentinels for the
    /// primary that they call `name`, and follows it after a failover. User, password and database
    /// are those of the primary; [`sentinel_credentials`](Self::sentinel_credentials) are those of
    /// the Sentinels. The port of a Sentinel is 26379 if there is none. With `rediss-sentinel://`
    /// the connections to the Sentinels and to the primary use TLS, with the same certificates. An
    /// address counts if a majority of the Sentinels names it: of those that are listed, or that
    /// they know. When they name another one, the connection to the old primary is closed at once.
    ///
    /// `redis-cluster://user:password@host:port,host:port` is a Redis Cluster: see
    /// [`cluster`](Self::cluster). All nodes have the same user and password. The port of a node is
    /// 6379 if there is none. With `rediss-cluster://` the connections to all nodes use TLS.
    ///
    /// `memory://name` is a server inside this process, for tests, demos and single-process
    /// programs. All managers of the process with the same name contend, regardless of their
    /// prefix; the name may be empty. Other processes are not excluded. The feature `test-util` can
    /// inject faults into it.
    ///
    /// A free lock in memory is granted at the first poll, without another thread, and callers of
    /// one manager hand it to each other directly. So tests work under tokio's paused clock
    /// (`start_paused`). Durations of the lock itself, as ttl and `wait`, are those of the real
    /// clock. Only a grant from one manager to another comes from a background thread, for which a
    /// timer of the paused clock does not wait.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.server = Some(ServerAddress::Url(url.into()));
        self
    }

    /// Sets the Sentinels to ask for the primary, by `host:port`, and the name that they have for
    /// it. The same as a `redis-sentinel://` [`url`](Self::url). No default.
    ///
    /// ```no_run
    /// # use distlock_runtime as distlock;
    /// use distlock::{Credentials, LockManager};
    ///
    /// let locks = LockManager::builder()
    ///     .sentinel("mymaster", ["sentinel-1:26379", "sentinel-2:26379", "sentinel-3:26379"])
    ///     .sentinel_credentials(Credentials::new("default", "the password of the Sentinels"))
    ///     .credentials_provider(|| Ok(Credentials::new("app", "the password of the server")))
    ///     .database(2)
    ///     .build()?;
    /// # Ok::<(), distlock::LockError>(())
    /// ```
    pub fn sentinel(
        mut self,
        name: impl Into<String>,
        addresses: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let addresses = addresses.into_iter().map(Into::into).collect();
        self.server = Some(ServerAddress::Sentinel(name.into(), addresses));
        self
    }

    /// Sets user and password of the Sentinels, which are not those of the server and have no place
    /// in a URL. Default: none.
    pub fn sentinel_credentials(mut self, credentials: Credentials) -> Self {
        self.sentinel_credentials = Some(credentials);
        self
    }

    /// Sets nodes of a Redis Cluster, by `host:port`. Any one that is up is enough: it names the
    /// others. With several, the manager also starts while one of them is down. The same as a
    /// `redis-cluster://` [`url`](Self::url). No default.
    ///
    /// The manager connects to each master that serves a key it locks, at the address that the
    /// nodes name: see [`cluster_address_map`](Self::cluster_address_map).
    ///
    /// ```no_run
    /// # use distlock_runtime as distlock;
    /// use distlock::{Credentials, LockManager};
    ///
    /// let locks = LockManager::builder()
    ///     .cluster(["node-1:6379", "node-2:6379", "node-3:6379"])
    ///     .credentials_provider(|| Ok(Credentials::new("app", "the password of all nodes")))
    ///     .build()?;
    /// # Ok::<(), distlock::LockError>(())
    /// ```
    pub fn cluster(mut self, addresses: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let addresses = addresses.into_iter().map(Into::into).collect();
        self.server = Some(ServerAddress::Cluster(addresses));
        self
    }

    /// Sets where to connect to a node of a cluster instead of at the host and the port that the
    /// nodes name, which may lead nowhere behind NAT or a port forwarding. The function returns
    /// `None` for an address that is right. Addresses in the URL or in
    /// [`cluster`](Self::cluster) are used as they are. Default: all addresses are right.
    ///
    /// The function is called on threads of the manager, and must neither block nor acquire locks
    /// of the manager. If it panics, the address is used as it is. Where it is possible, set the
    /// address in the nodes instead, with `cluster-announce-ip` and `cluster-announce-port`, or
    /// `cluster-announce-hostname` and `cluster-preferred-endpoint-type hostname`.
    ///
    /// ```no_run
    /// # use distlock_runtime as distlock;
    /// use std::collections::HashMap;
    ///
    /// use distlock::LockManager;
    ///
    /// let forwarded = HashMap::from([(("10.0.0.1", 6379), 7001), (("10.0.0.2", 6379), 7002)]);
    /// let locks = LockManager::builder()
    ///     .cluster(["localhost:7001", "localhost:7002"])
    ///     .cluster_address_map(move |host, port| {
    ///         forwarded.get(&(host, port)).map(|port| ("localhost".to_owned(), *port))
    ///     })
    ///     .build()?;
    /// # Ok::<(), distlock::LockError>(())
    /// ```
    pub fn cluster_address_map<F>(mut self, map: F) -> Self
    where
        F: Fn(&str, u16) -> Option<(String, u16)> + Send + Sync + 'static,
    {
        self.cluster_address_map = Some(Arc::new(map));
        self
    }

    /// Sets the number of the server's database. `memory://` and a cluster have only one. Default:
    /// that of the URL or the client, or 0.
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// use distlock::LockManager;
    ///
    /// let locks = LockManager::builder().url("redis://127.0.0.1/").database(2).build()?;
    /// # Ok::<(), distlock::LockError>(())
    /// ```
    pub fn database(mut self, number: u32) -> Self {
        self.database = Some(number);
        self
    }

    /// Uses TLS for all connections of the manager, as `rediss://` and `rediss-sentinel://` do:
    /// with [`sentinel`](Self::sentinel) for those to the Sentinels and to the primary, with
    /// [`cluster`](Self::cluster) for those to all nodes. A Unix socket has none. Default: as the
    /// scheme of the URL says.
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// use distlock::LockManager;
    ///
    /// let locks = LockManager::builder().sentinel("mymaster", ["sentinel-1"]).tls().build()?;
    /// # Ok::<(), distlock::LockError>(())
    /// ```
    #[cfg(feature = "tls-rustls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls-rustls")))]
    pub fn tls(mut self) -> Self {
        self.certificates.wanted = true;
        self
    }

    /// Sets a client instead of a URL. Its address, user, password, database and settings of TCP
    /// are used, with RESP3 as the protocol; none of its connections is. No default.
    ///
    /// A client for `rediss://` keeps its own certificates to itself: make it without them, and
    /// pass them to `ca_certificate` and `client_certificate`. Otherwise
    /// [`build`](Self::build) fails with [`LockError::Config`].
    ///
    /// The type is re-exported in [`distlock::redis`](crate::redis), so that you need not depend on
    /// a matching version of that crate.
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// use distlock::{LockManager, redis};
    ///
    /// let client = redis::Client::open("redis://app:secret@127.0.0.1/3")?;
    /// let locks = LockManager::builder().client(client).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "redis")]
    #[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
    pub fn client(mut self, client: Client) -> Self {
        self.server = Some(ServerAddress::Client(Box::new(client)));
        self
    }

    /// Sets the prefix of all keys and channels in Redis. It contains neither white space nor
    /// braces. Default: `lock:`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets how long a hold lasts without a renewal. Holds are renewed every third of it. From 10
    /// ms to 30 days. Default: 30 s.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttl = Some(ttl);
        self
    }

    /// Sets how long requests wait for a lock. Zero tries once. Default: unlimited.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.options.wait = Some(wait);
        self
    }

    /// Sets the longest duration of a hold, including all renewals. After that the hold is lost. At
    /// least 10 ms. Default: 24 h, so that a leaked hold ends.
    pub fn max_hold(mut self, max_hold: Duration) -> Self {
        self.options.max_hold = Some(max_hold);
        self
    }

    /// Sets how long a key stays taken at least, counted from the grant, also if the hold is
    /// released before: see [`LockRequest::min_hold`](crate::LockRequest::min_hold). At most
    /// `max_hold`, and 30 days. Default: zero, so that a released lock is free.
    pub fn min_hold(mut self, min_hold: Duration) -> Self {
        self.options.min_hold = Some(min_hold);
        self
    }

    /// Sets how many replicas of the server have to have a grant before it counts: see
    /// [`LockRequest::replicas`](crate::LockRequest::replicas). Default: none.
    pub fn replicas(mut self, replicas: impl Into<Replicas>) -> Self {
        self.options.replicas = Some(replicas.into());
        self
    }

    /// Sets how long a grant waits for the replicas that have to confirm it. At least 1 ms.
    /// Default: 1 s.
    pub fn confirm(mut self, confirm: Duration) -> Self {
        self.options.confirm = Some(confirm);
        self
    }

    /// Sets how much earlier than its ttl a hold ends for its owner. This allows for clocks that
    /// run at different rates. A request whose ttl is not longer than the margin fails with
    /// [`LockError::Config`]. Default: 1 % of the ttl, at least 2 ms.
    pub fn clock_margin(mut self, margin: Duration) -> Self {
        self.timing.clock_margin = Some(margin);
        self
    }

    /// Sets how much longer than the ttl a key lives on the server. This allows for a server clock
    /// that jumps ahead. Only the takeover from a crashed holder is delayed by it. At most 30 days.
    /// Default: 1 % of the ttl, at least 2 ms.
    pub fn server_ttl_slack(mut self, slack: Duration) -> Self {
        self.timing.server_ttl_slack = Some(slack);
        self
    }

    /// Sets how long requests tolerate a server that is unreachable, or that grants no locks at
    /// present, before they fail with [`LockError::Unavailable`]. It applies even if `wait` is
    /// unlimited. With zero, requests fail after one failed attempt, as those that try once do.
    /// With [`Duration::MAX`], only `wait` limits them. Default: 5 s.
    pub fn outage_timeout(mut self, timeout: Duration) -> Self {
        self.timing.outage_timeout = timeout;
        self
    }

    /// Sets whether requests of this manager wait after a data loss on the server (a flush, a
    /// restart without persistence) until the longest lease from before has ended, because those
    /// holds may still be valid in their processes. Default: `true`.
    ///
    /// Use `false` in test suites that flush the server between cases. Other processes wait in any
    /// case.
    pub fn data_loss_grace(mut self, wait: bool) -> Self {
        self.timing.data_loss_grace = wait;
        self
    }

    /// Sets how long the server grants no locks after it has become the primary, or has restarted
    /// with its data. Holders that reach it meanwhile put back the holds that it does not know,
    /// under their old tokens. The longest setting of all processes that connect counts. Default:
    /// [`AfterFailover::Grace`] of 2 s.
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// use distlock::{AfterFailover, LockManager};
    ///
    /// let locks =
    ///     LockManager::builder().url("memory://").after_failover(AfterFailover::WholeTtl).build()?;
    /// # Ok::<(), distlock::LockError>(())
    /// ```
    pub fn after_failover(mut self, wait: AfterFailover) -> Self {
        self.timing.after_failover = wait;
        self
    }

    /// Sets how many times in a row a lock is handed off between callers of this process, without a
    /// round trip, while another process is waiting. While none is waiting, handoff continues for
    /// up to one second. Zero disables local handoff, as
    /// [`LockRequest::strict_fifo`](crate::LockRequest::strict_fifo) does for one request. Default:
    /// 8.
    pub fn max_handoffs(mut self, bound: u32) -> Self {
        self.max_handoffs = bound;
        self.options.strict_fifo = bound == 0;
        self
    }

    /// Sets whether a call re-enters a hold of the same key. With `false` such a call fails with
    /// [`LockError::Deadlock`] at once. Default: `true`.
    ///
    /// Use `false` with executors without task ids that run unrelated jobs on a caller's stack, as
    /// rayon does while it waits.
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// use distlock::{LockError, LockManager};
    ///
    /// let locks = LockManager::builder().url("memory://").reenter(false).build()?;
    /// let guard = locks.mutex("stock").acquire_blocking()?;
    /// let nested = guard.enter(|| locks.mutex("stock").acquire_blocking());
    /// assert!(matches!(nested, Err(LockError::Deadlock(_))));
    /// # Ok::<(), LockError>(())
    /// ```
    pub fn reenter(mut self, reenter: bool) -> Self {
        self.options.reenter = Some(reenter);
        self
    }

    /// Sets whether to log a warning, once, if two locks are taken inside each other in both
    /// orders. Locks are identified by the key templates of the annotated functions. Default:
    /// `true` in debug builds.
    pub fn warn_lock_order(mut self, warn: bool) -> Self {
        self.warn_lock_order = warn;
        self
    }

    /// Sets a text that is stored with every lock of this manager, for example the name and version
    /// of the service. Waiters and [`LockManager::inspect`](crate::LockManager::inspect) show it;
    /// see [`Holder::label`](crate::Holder::label). Default: none.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into().into());
        self
    }

    /// Sets whether the label `key` of the metrics is the key itself. Default: `false`: it is the
    /// template of the annotated function, or the label or the line of a request.
    ///
    /// With it, the metrics have a set of series for each key: leave it off if keys have ids in
    /// them.
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// # use distlock::LockManager;
    /// let locks = LockManager::builder().url("memory://").metrics_by_key(true).build()?;
    /// # Ok::<(), distlock::LockError>(())
    /// ```
    #[cfg(feature = "metrics")]
    #[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
    pub fn metrics_by_key(mut self, by_key: bool) -> Self {
        self.metrics_by_key = by_key;
        self
    }

    /// Sets the name of the connection, as shown by `CLIENT LIST`. Default: none.
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.client_name = Some(name.into());
        self
    }

    /// Asks this function for user and password at each attempt to connect, for tokens that end and
    /// passwords that are changed. What the URL or the client says of both is not used. Default:
    /// the user and the password of the URL or the client.
    ///
    /// The function is called on a thread of the manager, once for the first connection and again
    /// whenever the connection was lost; with a cluster for the connection to each node, and
    /// whenever nodes are asked which of them serves which slots. It may block: connecting waits
    /// for it without a limit, and requests fail meanwhile when their `wait` or
    /// [`outage_timeout`](Self::outage_timeout) is over. A hold that is not renewed in time because
    /// of that is lost. A shutdown does not wait for the function. It must not acquire locks of the
    /// manager. To await something, call `block_on` of a handle of your runtime in it. A connection
    /// is not authenticated again while it lasts: a server that ends connections with old tokens
    /// makes the manager connect again.
    ///
    /// # Errors
    ///
    /// If the function fails or panics, or the server does not accept what it returned, the attempt
    /// to connect has failed, and the next one asks again after a pause of 10 ms to 2 s. Requests
    /// fail after `outage_timeout` with [`LockError::Unavailable`], whose text has that of the
    /// function's or the server's error.
    ///
    /// ```no_run
    /// # use distlock_runtime as distlock;
    /// use distlock::{Credentials, LockManager};
    ///
    /// let locks = LockManager::builder()
    ///     .url("redis://redis.example.com/")
    ///     // Written by an agent every few minutes.
    ///     .credentials_provider(|| {
    ///         let token = std::fs::read_to_string("/run/secrets/redis-token")?;
    ///         Ok(Credentials::new("app", token.trim()))
    ///     })
    ///     .build()?;
    /// # Ok::<(), distlock::LockError>(())
    /// ```
    pub fn credentials_provider<F>(mut self, provider: F) -> Self
    where
        F: Fn() -> Result<Credentials, Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
    {
        self.credentials = Some(Arc::new(provider));
        self
    }

    /// Trusts the certificates in this PEM file instead of the system's, for a `rediss://` server
    /// with a certificate from a private authority. Default: the system's certificates.
    ///
    /// ```no_run
    /// # use distlock_runtime as distlock;
    /// # use distlock::LockManager;
    /// let locks = LockManager::builder()
    ///     .url("rediss://redis.example.com:6380/")
    ///     .ca_certificate(std::fs::read("/etc/ssl/redis-ca.pem")?)
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "tls-rustls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls-rustls")))]
    pub fn ca_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.certificates.ca = Some(pem.into());
        self
    }

    /// Sends this certificate to a `rediss://` server that requires one (`tls-auth-clients`): the
    /// chain and its private key, both as PEM. Default: none.
    ///
    /// ```no_run
    /// # use distlock_runtime as distlock;
    /// # use distlock::LockManager;
    /// let locks = LockManager::builder()
    ///     .url("rediss://redis.example.com:6380/")
    ///     .client_certificate(std::fs::read("client.pem")?, std::fs::read("client-key.pem")?)
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "tls-rustls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls-rustls")))]
    pub fn client_certificate(
        mut self,
        chain_pem: impl Into<Vec<u8>>,
        key_pem: impl Into<Vec<u8>>,
    ) -> Self {
        self.certificates.client = Some((chain_pem.into(), key_pem.into()));
        self
    }

    /// Starts the manager. It neither blocks nor waits for the connection.
    ///
    /// # Errors
    ///
    /// [`LockError::Config`] if no server is set, the URL or the prefix is invalid, a certificate
    /// cannot be read, a duration is out of range, or the manager's thread cannot be started.
    pub fn build(mut self) -> Result<LockManager, LockError> {
        let ttl = self.options.ttl.unwrap_or(DEFAULT_TTL);
        check_ttl(ttl)?;
        check_max_hold(self.options.max_hold)?;
        check_min_hold(self.options.min_hold, self.options.max_hold)?;
        check_confirm(self.options.effective_confirm(&Options::DEFAULT))?;
        check_clock_margin(self.timing.clock_margin, ttl)?;
        check_server_ttl_slack(self.timing.server_ttl_slack)?;
        if self.prefix.contains(|c: char| c.is_whitespace() || c == '{' || c == '}') {
            return Err(LockError::config(
                "the prefix contains white space or braces; set one like shop:lock:",
            ));
        }
        let space = Keyspace::new(self.prefix.clone());
        let (deployment, address, server_kind) = self.deployment(&space)?;
        let changes = StatusChanges::default();
        let inbox = || space.inbox(&Uuid::new_v4().simple().to_string());
        let settings = CoreSettings {
            defaults: self.options,
            max_handoffs: self.max_handoffs,
            warn_lock_order: self.warn_lock_order,
            try_once_timeout: self.timing.outage_timeout.saturating_add(self.timing.reply),
            clock_margin: self.timing.clock_margin,
            label: self.label,
            metrics_by_key: self.metrics_by_key,
            server: address,
            server_kind,
            changes: changes.clone(),
            space: space.clone(),
        };
        let (timing, own_inbox) = (self.timing, inbox());
        let metrics = LinkMetrics::of(&settings.server);
        let setup = Setup {
            deployment,
            timing,
            inbox: own_inbox,
            default_ttl: ttl,
            confirms: false,
            min_fence: HighestFence::default(),
            changes,
            metrics,
        };
        let second = Setup { inbox: inbox(), confirms: true, ..setup.clone() };
        describe();
        let links = start(setup).map_err(|error| LockError::no_thread(&error))?;
        Ok(LockManager::new(links, settings, Some(second)))
    }

    fn deployment(
        &mut self,
        space: &Keyspace,
    ) -> Result<(Deployment, String, ServerKind), LockError> {
        let (mut endpoint, source) = match &self.server {
            None => {
                let reason = "no server is set; call `url`, `sentinel` or `cluster` before `build`";
                return Err(LockError::config(reason));
            }
            Some(ServerAddress::Url(url)) => {
                if let Some(name) = url.strip_prefix("memory://") {
                    let server = Arc::new(Server::in_memory(name));
                    return Ok((Deployment::Server(server), url.clone(), ServerKind::Memory));
                }
                open(url)?
            }
            Some(ServerAddress::Sentinel(name, addresses)) => {
                open_by_sentinels(Sentinels::of(name, addresses))?
            }
            Some(ServerAddress::Cluster(addresses)) => open_by_nodes(Seeds::of(addresses))?,
            #[cfg(feature = "redis")]
            Some(ServerAddress::Client(client)) => {
                let endpoint = Endpoint::of_client(client.get_connection_info());
                (endpoint.map_err(LockError::config)?, AddressSource::User)
            }
        };
        if let Some(number) = self.database {
            endpoint.database = number.into();
        }
        let name = self.client_name.clone();
        let certificates = std::mem::take(&mut self.certificates);
        let credentials = self.credentials.take();
        let (text, sentinels) = match source {
            AddressSource::Nodes(mut seeds) => {
                if endpoint.database != 0 {
                    return Err(wrong_cluster("it has only the database 0"));
                }
                let text = seeds.to_string();
                seeds.map = self.cluster_address_map.take();
                let space = space.clone().sharded();
                let context = NodeContext::new(space.clone());
                let like = RedisServer::new(endpoint, None, name, certificates, credentials, space);
                let discovery = Discovery::new(seeds, like.map_err(LockError::config)?);
                let deployment = Deployment::Cluster(Arc::new(discovery), context);
                return Ok((deployment, text, ServerKind::Cluster));
            }
            AddressSource::Sentinels(mut sentinels) => {
                sentinels.credentials = self.sentinel_credentials.take();
                (sentinels.to_string(), Some(sentinels))
            }
            AddressSource::User => (address(&endpoint)?, None),
        };
        let kind = if sentinels.is_some() { ServerKind::Sentinel } else { ServerKind::Single };
        let server =
            RedisServer::new(endpoint, sentinels, name, certificates, credentials, space.clone());
        let server = Server::Redis(Box::new(server.map_err(LockError::config)?));
        Ok((Deployment::Server(Arc::new(server)), text, kind))
    }
}

/// What names the address of a server.
enum AddressSource {
    User,
    Sentinels(Sentinels),
    Nodes(Seeds),
}

fn open(url: &str) -> Result<(Endpoint, AddressSource), LockError> {
    if let Some(parsed) = Sentinels::parse(url) {
        return open_by_sentinels(parsed);
    }
    if let Some(parsed) = Seeds::parse(url) {
        return open_by_nodes(parsed);
    }
    Ok((url::parse(url).map_err(|why| wrong_url(url, &why))?, AddressSource::User))
}

fn open_by_sentinels(
    parsed: Result<(Sentinels, String), String>,
) -> Result<(Endpoint, AddressSource), LockError> {
    let (sentinels, url) = parsed.map_err(|why| wrong_sentinels(&why))?;
    let endpoint = url::parse(&url).map_err(|why| wrong_sentinels(&why))?;
    Ok((endpoint, AddressSource::Sentinels(sentinels)))
}

fn open_by_nodes(
    parsed: Result<(Seeds, String), String>,
) -> Result<(Endpoint, AddressSource), LockError> {
    let (seeds, url) = parsed.map_err(|why| wrong_cluster(&why))?;
    let endpoint = url::parse(&url).map_err(|why| wrong_cluster(&why))?;
    Ok((endpoint, AddressSource::Nodes(seeds)))
}

/// The address as messages show it. Rejects the path of a socket that looks as if it had
/// credentials in it.
fn address(endpoint: &Endpoint) -> Result<String, LockError> {
    let address = endpoint.address.to_string();
    let credentials = address.rsplit_once('@').is_some_and(|(before, _)| before.contains(':'));
    if credentials {
        return Err(LockError::config(
            "the path of the server's socket seems to contain a password; write it as \
             unix:///path?pass=…",
        ));
    }
    Ok(address)
}

fn scheme(url: &str) -> Option<&str> {
    let (scheme, _) = url.split_once("://")?;
    scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+').then_some(scheme)
}

/// Does not show the URL itself, which may hold a password.
fn wrong_url(url: &str, error: &str) -> LockError {
    let scheme = scheme(url).map_or("it has no scheme".to_owned(), |scheme| {
        format!("its scheme is {}", printable(scheme))
    });
    LockError::config(format!(
        "the server's URL cannot be used ({scheme}): {error}; write redis://host:port/, rediss:// \
         with the feature tls-rustls, unix:///path or memory://"
    ))
}

fn wrong_sentinels(why: &str) -> LockError {
    LockError::config(format!(
        "the Sentinels cannot be used: {why}; write redis-sentinel://host:port,host:port/name, with \
         the name that the Sentinels have for the primary"
    ))
}

fn wrong_cluster(why: &str) -> LockError {
    LockError::config(format!(
        "the cluster cannot be used: {why}; write redis-cluster://host:port,host:port, with some of \
         its nodes"
    ))
}

impl LockManager {
    /// Creates a manager with the default settings for the server at `url`: `redis://`, `rediss://`
    /// with the feature `tls-rustls`, `redis-sentinel://`, `redis-cluster://`, `unix://`, or
    /// `memory://` for an in-process server.
    ///
    /// It does not block. The connection is opened in the background, and an unreachable server is
    /// reported by the first request. `memory://` is ready at once: a free lock is granted at the
    /// first poll, also under tokio's paused clock.
    ///
    /// # Errors
    ///
    /// [`LockError::Config`] if the URL is invalid or the manager's thread cannot be started.
    pub fn connect(url: &str) -> Result<Self, LockError> {
        Self::builder().url(url).build()
    }

    /// Creates a builder with the default settings.
    pub fn builder() -> LockManagerBuilder {
        LockManagerBuilder::default()
    }
}

impl fmt::Debug for LockManagerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("LockManagerBuilder");
        out.field("prefix", &self.prefix).field("timing", &self.timing).finish_non_exhaustive()
    }
}
