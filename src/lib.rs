//! Re-entrant distributed locks for Rust functions, backed by Redis or Valkey.
//!
//! At most one process in the cluster runs an annotated function for a given key at a time.
//!
//! ```no_run
//! use distlock::{LockError, LockManager, distributed_lock};
//!
//! #[distributed_lock("account:{id}", wait = "5s", hold = hold)]
//! async fn withdraw(id: u64, amount: i64) -> Result<i64, LockError> {
//!     let balance = balance(id).await?; // same key: re-enters, 0 round trips
//!     println!("writing with fencing token {}", hold.fence());
//!     Ok(balance - amount)
//! }
//!
//! #[distributed_lock("account:{id}")]
//! async fn balance(id: u64) -> Result<i64, LockError> {
//!     Ok(100)
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), LockError> {
//!     distlock::init(LockManager::connect("redis://127.0.0.1/")?)?;
//!     println!("{} left", withdraw(7, 30).await?);
//!     Ok(())
//! }
//! ```
//!
//! Without [`init`], the server is the URL in `DISTLOCK_URL` or `REDIS_URL`. There is no default.
//! [`LockManagerBuilder::url`] lists the URLs: of one server, of Sentinels, of a cluster, and
//! `memory://`, an in-process server for tests.
//!
//! # Overview
//!
//! - [`macro@distributed_lock`] annotates sync and async functions and methods. Its page lists all
//!   options.
//! - [`macro@distributed_locks`] sets options for all functions of an `impl`, a trait or a module.
//! - [`LockManager`] is the connection to a server or a cluster. [`LockManager::mutex`] requests a
//!   lock without the attribute and returns a [`LockGuard`].
//! - [`Hold`] is the handle of a held lock: key, [`Fence`], validity, loss and sharing. [`current`]
//!   returns the innermost one.
//! - [`LockError`] has one variant for each case that a caller handles differently.
//! - [`FenceGate`] rejects writes with a stale fencing token.
//! - [`LockManager::inspect`] and [`list`](LockManager::list) show who holds locks and who waits,
//!   [`status`](LockManager::status) whether locks can be had at present, for a readiness probe.
//!   [`force_release`](LockManager::force_release) releases a lock in place of its holder.
//!
//! # Re-entrancy
//!
//! A call re-enters if one of its callers holds the same key with the same manager, across awaits
//! and the threads of a runtime. It sends nothing, has the same fencing token, and only the
//! outermost section releases the lock. Siblings (`join!(f(), f())` inside one holder) exclude each
//! other. Spawned tasks and threads do not inherit the hold; share it with [`Hold::share`]:
//!
//! ```
//! use distlock::{LockError, LockManager, current, distributed_lock};
//!
//! #[distributed_lock("import")]
//! async fn import() -> Result<(), LockError> {
//!     let shared = current().expect("inside a hold").share()?;
//!     let part = tokio::spawn(shared.scope(import_part()));
//!     part.await.expect("the part does not panic")
//! }
//!
//! #[distributed_lock("import")]
//! async fn import_part() -> Result<(), LockError> {
//!     Ok(())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), LockError> {
//! distlock::init(LockManager::connect("memory://")?)?;
//! import().await
//! # }
//! ```
//!
//! Executors without task ids, such as rayon and smol, need care: see
//! [re-entrancy](macro@distributed_lock#re-entrancy).
//!
//! # Contention
//!
//! Requests are queued in FIFO order across processes. Within a process the lock is handed off
//! between callers without a round trip, a bounded number of times while another process waits.
//! Several keys are acquired together by a list in the attribute or by
//! [`LockManager::mutex_many`]. If calls wait for each other in a cycle, exactly one of them fails
//! with [`LockError::Deadlock`].
//!
//! # Guarantees
//!
//! At most one valid holder at a time, provided Redis keeps its data, its clock does not jump ahead
//! by more than the server TTL slack, and the holder stops at its deadline. A pause of the holder
//! can break this; each hold carries a fencing token so that your storage can reject the late
//! writer. [`FenceGate`] does so within a process; its page shows the conditions for SQL and Redis.
//!
//! A hold is renewed in the background every third of its ttl. If it is lost anyway, an async body
//! is cancelled at its next `.await`, `hold.is_valid()` returns `false`, and the function returns
//! [`LockError::Lost`] instead of a success.
//!
//! # Cancel safety
//!
//! Every future of this crate may be dropped at any time. A dropped request leaves the queue, and a
//! grant in flight is released. A dropped section releases its lock after the values of its body
//! have been dropped.
//!
//! # Logs and traces
//!
//! All events and spans of [`tracing`](https://docs.rs/tracing) have the target `distlock`. Losses,
//! long waits and a server that is down are events of the level `WARN`. Each wait is a span
//! `distlock.wait`, and each hold a span `distlock.hold`, which is current while the body runs.
//! Both are of the level `DEBUG`, and have the key, the fencing token and the outcome.
//!
//! # Features
//!
//! None is on by default.
//!
//! - `metrics`: counters, gauges and histograms for the recorder of the
//!   [`metrics`](https://docs.rs/metrics) facade. `docs/metrics.md` in the repository lists them.
//! - `tls-rustls`: `rediss://` URLs. It includes rustls with ring and trusts the system's
//!   certificates. `LockManagerBuilder::ca_certificate` and `client_certificate` set others.
//! - `redis`: `LockManagerBuilder::client`, which takes the address and the credentials from a
//!   client of the `redis` crate.
//! - `serde`: `Serialize` and `Deserialize` for [`Fence`], [`Inspection`], [`ManagerStatus`] and
//!   the types of their fields.
//! - `test-util`: the module `testing`, which creates each [`LockError`] and injects faults into a
//!   `memory://` server.

#![forbid(unsafe_code)]
// Shows on docs.rs which items need a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc = include_str!("../docs/attribute.md")]
pub use distlock_macros::distributed_lock;
/// Sets options for each [`distributed_lock`](macro@distributed_lock) inside an `impl`, a `trait`
/// or a `mod`.
///
/// ```
/// use distlock::{LockError, LockManager, distributed_lock, distributed_locks};
///
/// struct Shop {
///     locks: LockManager,
/// }
///
/// #[distributed_locks(prefix = "shop:", manager = self.locks, wait = "2s")]
/// impl Shop {
///     #[distributed_lock("item:{id}", hold = hold)]
///     fn sell(&self, id: u32) -> Result<String, LockError> {
///         Ok(hold.key().to_owned())
///     }
///
///     #[distributed_lock("till", wait = "10s")]
///     async fn close(&self) -> Result<(), LockError> {
///         Ok(())
///     }
/// }
///
/// let shop = Shop { locks: LockManager::connect("memory://")? };
/// assert_eq!(shop.sell(7)?, "shop:item:7");
/// futures::executor::block_on(shop.close())?;
/// # Ok::<(), LockError>(())
/// ```
///
/// [Options for several functions](macro@distributed_lock#options-for-several-functions) has the
/// details.
pub use distlock_macros::distributed_locks;
#[doc(hidden)]
pub use distlock_runtime::__private;
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use distlock_runtime::redis;
#[cfg(feature = "test-util")]
#[cfg_attr(docsrs, doc(cfg(feature = "test-util")))]
pub use distlock_runtime::testing;
pub use distlock_runtime::{
    AfterFailover, Credentials, Fence, FenceGate, GrantPause, Hold, Holder, Inspection, LockError,
    LockGuard, LockList, LockManager, LockManagerBuilder, LockRequest, ManagerStatus, NestedWait,
    NodeStatus, PauseReason, Replicas, ServerKind, SharedHold, StaleFence, StatusWatch, Waiter,
    current, error, global, init, with_manager, with_manager_async,
};
