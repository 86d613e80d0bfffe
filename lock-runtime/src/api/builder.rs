//! The settings of a manager.

use std::fmt;
use std::time::Duration;

use redis::Client;
use uuid::Uuid;

use crate::acquire::options::{Options, check_guard, check_margin, check_max_hold, check_ttl};
use crate::api::manager::{Limits, LockManager};
use crate::backend::memory::MemoryEndpoint;
use crate::backend::redis::RedisEndpoint;
use crate::backend::redis::tls::{Certificates, WITHOUT_TLS};
use crate::backend::{Endpoint, Kind};
use crate::error::LockError;
use crate::io::event_loop::{Setup, start};
use crate::protocol::timing::Timing;
use crate::types::printable::printable;
use crate::wire::keyspace::Keyspace;

/// Sets up a [`LockManager`].
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
    server: Option<Server>,
    prefix: String,
    options: Options,
    timing: Timing,
    max_handoffs: u32,
    warn_lock_order: bool,
    client_name: Option<String>,
    label: Option<Box<str>>,
    certificates: Certificates,
}

enum Server {
    Url(String),
    /// Boxed: with TLS it is ten times as large as a URL.
    Client(Box<Client>),
}

const DEFAULT_TTL: Duration = Duration::from_secs(30);
/// A hold that was forgotten (`mem::forget`, a leaked future) ends at the latest after this.
const DEFAULT_MAX_HOLD: Duration = Duration::from_secs(24 * 60 * 60);

/// Enough to make the trips to the server few, few enough that who waits elsewhere hardly notices.
const DEFAULT_HAND_OVERS: u32 = 8;

impl Default for LockManagerBuilder {
    fn default() -> Self {
        let (ttl, max_hold) = (Some(DEFAULT_TTL), Some(DEFAULT_MAX_HOLD));
        Self {
            server: None,
            prefix: "lock:".to_owned(),
            options: Options { ttl, max_hold, ..Options::DEFAULT },
            timing: Timing::default(),
            max_handoffs: DEFAULT_HAND_OVERS,
            warn_lock_order: cfg!(debug_assertions),
            client_name: None,
            label: None,
            certificates: Certificates::default(),
        }
    }
}

impl LockManagerBuilder {
    /// The server's URL: `redis://user:password@host:port/database`, `rediss://` with a TLS feature, `unix:///path`, or
    /// `memory://name`. No default.
    ///
    /// `memory://name` is a store inside this process, for tests, demos and programs of a single process. All managers of the
    /// process with the same name contend, as on one server, regardless of prefix; the name may be left out. Other processes
    /// see nothing of it. Its grants come from the manager's own thread and by the real clock: not under tokio's paused
    /// clock, which runs ahead while a task waits for that thread. The feature `test-util` provokes its faults.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.server = Some(Server::Url(url.into()));
        self
    }

    /// A ready client in the place of a URL: its address, credentials and TLS settings are used, its protocol
    /// is set to RESP3. No default.
    ///
    /// The type is that of [`distlock::redis`](crate::redis), so that no version of that crate has to be named twice.
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// use distlock::{LockManager, redis};
    ///
    /// let client = redis::Client::open("redis://app:secret@127.0.0.1/3")?;
    /// let locks = LockManager::builder().client(client).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn client(mut self, client: Client) -> Self {
        self.server = Some(Server::Client(Box::new(client)));
        self
    }

    /// What all keys of this library begin with; neither white space nor braces. Default: `lock:`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long a hold lasts unless it is renewed, which happens at a third of it. Default: 30 s.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttl = Some(ttl);
        self
    }

    /// How long calls wait that do not say. Default: as long as it takes.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.options.wait = Some(wait);
        self
    }

    /// The longest a hold may last with all its renewals; then it is lost. At least 10 ms. Default: 24 h, so that a hold
    /// which was leaked does not last for ever.
    pub fn max_hold(mut self, max_hold: Duration) -> Self {
        self.options.max_hold = Some(max_hold);
        self
    }

    /// How much earlier than its ttl a hold ends for its owner: allows for clocks that run at different rates.
    /// Every call with a ttl that is not longer than this is [`LockError::Config`]. Default: 1 % of the ttl, at least 2 ms.
    pub fn clock_margin(mut self, margin: Duration) -> Self {
        self.timing.margin = Some(margin);
        self
    }

    /// How much longer than its ttl the key lives in the server: allows for a server's clock that jumps ahead.
    /// Only the take-over from a crashed holder waits for it. At the most 30 days. Default: 1 % of the ttl, at least 2 ms.
    pub fn server_ttl_slack(mut self, guard: Duration) -> Self {
        self.timing.guard = Some(guard);
        self
    }

    /// How long requests wait for a server that cannot be reached before they fail with
    /// [`LockError::Unavailable`], also when they would wait for the lock as long as it takes. Zero: until one attempt to
    /// connect has failed, as for requests that try once. [`Duration::MAX`]: for as long as they wait for the lock.
    /// Default: 5 s.
    pub fn outage_timeout(mut self, outage: Duration) -> Self {
        self.timing.outage = outage;
        self
    }

    /// Whether to be granted nothing after the server turns out to have lost its data (a flush, a restart without
    /// persistence) until the longest lease of all processes is over, because holds from before may still be valid in their
    /// processes. Default: `true`. Set `false` where tests flush the server between cases: other processes wait all the same.
    pub fn data_loss_grace(mut self, wait: bool) -> Self {
        self.timing.quarantine = wait;
        self
    }

    /// How often in a row a lock goes from one call to the next within this process, without a trip to the server, while
    /// another process waits for it; while none does, it goes on for up to a second. Zero is strict order across all
    /// processes, as `fairness = strict` for a single call. Default: 8.
    pub fn max_handoffs(mut self, bound: u32) -> Self {
        self.max_handoffs = bound;
        self.options.strict_fifo = bound == 0;
        self
    }

    /// Whether a call re-enters a hold of the same key around it, where the call itself does not say. With `false` such a
    /// call is [`LockError::Deadlock`] at once. Choose it where an executor without task ids runs unrelated jobs on top of
    /// a holder's stack, as rayon does while it waits. Default: `true`.
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

    /// Whether to compare the orders in which locks are taken inside each other, by the keys as they are written at the
    /// annotated functions, and to warn once where two of them contradict: before they ever end in a deadlock. Default:
    /// in debug builds.
    pub fn warn_lock_order(mut self, lint: bool) -> Self {
        self.warn_lock_order = lint;
        self
    }

    /// What is stored with every lock of the manager, for callers that wait for it or inspect it: the service, its version,
    /// the job. See [`Holder::label`](crate::Holder::label). A request may have its own. Default: none.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into().into());
        self
    }

    /// The name of the connection, as `CLIENT LIST` shows it. Default: none.
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.client_name = Some(name.into());
        self
    }

    /// Trusts the certificates in this PEM file instead of the system's, for a `rediss://` server whose certificate comes from
    /// a private authority. Default: the system's certificates.
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

    /// Shows this certificate to a `rediss://` server that asks for one (`tls-auth-clients`): the chain and its private key, both in
    /// PEM form. Default: none.
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

    /// Starts the manager. It does not block and does not wait for the connection.
    ///
    /// # Errors
    /// [`LockError::Config`] if there is no server, the URL makes no sense, a duration does not fit, or the I/O
    /// thread cannot be started.
    pub fn build(self) -> Result<LockManager, LockError> {
        let ttl = self.options.ttl.unwrap_or(DEFAULT_TTL);
        check_ttl(ttl)?;
        check_max_hold(self.options.max_hold)?;
        check_margin(self.timing.margin, ttl)?;
        check_guard(self.timing.guard)?;
        if self.prefix.contains(|c: char| c.is_whitespace() || c == '{' || c == '}') {
            return Err(LockError::config(
                "the prefix contains white space or braces; set one like shop:lock:",
            ));
        }
        let (kind, server) = self.endpoint()?;
        let space = Keyspace::new(self.prefix);
        let inbox = space.inbox(&Uuid::new_v4().simple().to_string());
        let limits = Limits {
            patience: self.timing.outage.saturating_add(self.timing.reply),
            margin: self.timing.margin,
        };
        let endpoint = Endpoint::new(kind, space);
        let setup = Setup { endpoint, timing: self.timing, inbox, default_ttl: ttl };
        let mailbox = start(setup).map_err(|error| {
            LockError::config(format!("the I/O thread cannot be started: {error}; allow the process another thread and a few more open files"))
        })?;
        Ok(LockManager::new(
            mailbox,
            self.max_handoffs,
            self.warn_lock_order,
            self.options,
            limits,
            server,
            self.label,
        ))
    }

    fn endpoint(&self) -> Result<(Kind, String), LockError> {
        let client = match &self.server {
            None => {
                let reason = "no server is set; call `url` or `client` before `build`";
                return Err(LockError::config(reason));
            }
            Some(Server::Url(url)) => {
                if let Some(name) = url.strip_prefix("memory://") {
                    return Ok((Kind::Memory(MemoryEndpoint::named(name)), url.clone()));
                }
                let has_tls = cfg!(feature = "tls-rustls");
                if !has_tls && matches!(scheme(url), Some("rediss" | "valkeys")) {
                    return Err(LockError::config(WITHOUT_TLS));
                }
                Client::open(url.as_str()).map_err(|error| wrong_url(url, &error))?
            }
            Some(Server::Client(client)) => Client::clone(client),
        };
        let server = address(&client)?;
        let name = self.client_name.clone();
        let endpoint =
            RedisEndpoint::new(client, name, &self.certificates).map_err(LockError::config)?;
        Ok((Kind::Redis(Box::new(endpoint)), server))
    }
}

/// The address as it is shown in messages. The path of a socket must not be one with credentials in it.
fn address(client: &Client) -> Result<String, LockError> {
    let address = client.get_connection_info().addr().to_string();
    let credentials = address.rsplit_once('@').is_some_and(|(before, _)| before.contains(':'));
    if credentials {
        return Err(LockError::config(
            "the path of the server's socket seems to hold a password; write it as unix:///path?pass=…",
        ));
    }
    Ok(address)
}

fn scheme(url: &str) -> Option<&str> {
    let (scheme, _) = url.split_once("://")?;
    scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+').then_some(scheme)
}

/// Names what is wrong without the URL itself, which may hold a password.
fn wrong_url(url: &str, error: &redis::RedisError) -> LockError {
    let scheme = scheme(url).map_or("it has no scheme".to_owned(), |scheme| {
        format!("its scheme is {}", printable(scheme))
    });
    LockError::config(format!(
        "the server's URL cannot be used ({scheme}): {error}; write redis://host:port/, rediss:// with the feature tls-rustls, \
         unix:///path or memory://"
    ))
}

impl LockManager {
    /// A manager for the server at `url` (`redis://`, `rediss://` with the feature `tls-rustls`, `unix://`, or `memory://` for a
    /// store inside this process) with the default settings.
    ///
    /// It does not block: the connection is made in the background, and a server that cannot be reached shows
    /// in the first request.
    ///
    /// # Errors
    /// [`LockError::Config`] if the URL makes no sense or the I/O thread cannot be started.
    pub fn connect(url: &str) -> Result<Self, LockError> {
        Self::builder().url(url).build()
    }

    /// A manager with settings of its own.
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
