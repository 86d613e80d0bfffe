//! Run a function under a Redis lock: annotate it, nest it freely, and its body runs one at a time in the cluster.
//!
//! ```
//! use distlock::{LockError, distributed_lock};
//!
//! #[distributed_lock("account:{id}", wait = "5s", hold = hold)]
//! fn withdraw(id: u64, amount: i64) -> Result<(), LockError> {
//!     let balance = read(id)?; // the same key inside: re-enters, no round trip
//!     write(id, balance - amount, hold.fence().get()); // a late writer is refused by its token
//!     Ok(())
//! }
//!
//! #[distributed_lock("account:{id}")]
//! fn read(id: u64) -> Result<i64, LockError> {
//!     Ok(100)
//! }
//! # fn write(id: u64, balance: i64, fence: u64) {}
//!
//! distlock::init(distlock::LockManager::connect("memory://")?)?; // or set DISTLOCK_URL=redis://...
//! withdraw(7, 30)?;
//! # Ok::<(), LockError>(())
//! ```
//!
//! - [`macro@distributed_lock`] takes synchronous and async functions and methods; its page lists the options.
//! - [`LockManager`] is the connection; [`LockManager::mutex`] asks for a lock by hand and gives a [`LockGuard`].
//! - [`current`] is the innermost [`Hold`] around the running code: key, [`Fence`], validity, loss, sharing.
//! - [`LockError`] has one variant for each thing that a caller would do differently.
//!
//! # What re-enters
//!
//! A call re-enters if some call *around it* holds the same key under the same manager: through synchronous and async
//! functions, across awaits and threads of a runtime. It costs no round trip, shows the same fencing token, and only the
//! outermost exit releases. Siblings (`join!(f(), f())` inside one holder) take turns. `tokio::spawn` and
//! threads do not inherit the hold; [`Hold::share`] hands it over. Nor do tasks of tokio that run on top of a holder's stack.
//! rayon and other executors without task ids cannot be distinguished: see
//! [what re-enters](macro@distributed_lock#what-re-enters).
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
//! # When many want one lock
//!
//! Waiters are served in the order of their coming, across processes. Within a process the lock goes from one call to the next
//! without a trip to the server, a bounded number of times while another process waits; each gets a fencing token of its own.
//! Several keys are taken together by a list in the attribute or [`LockManager::mutex_many`]. Calls that wait for one another in a
//! circle are told so: exactly one of them gets [`LockError::Deadlock`]. The attribute's page has the details.
//!
//! # What is promised
//!
//! At most one valid holder at a time, provided Redis keeps its data, its clock does not jump ahead by more than the
//! guard, and the holder stops at its deadline. A pause of the holder can break this; each hold carries a fencing token
//! so that your storage can reject the late writer.
//!
//! [`FenceGate`] is such a check within a process; its page has the forms for SQL and Redis.
//!
//! A hold is renewed in the background at a third of its ttl. If it is lost all the same, an async body is dropped at
//! its next await, `hold.is_valid()` says `false`, and the function returns [`LockError::Lost`] in place of a success.
//!
//! # Features
//!
//! - `tls-rustls`: `rediss://` URLs. It brings rustls with ring and trusts the system's certificates;
//!   `LockManagerBuilder::ca_certificate` and `client_certificate` set others.

#![forbid(unsafe_code)]
// Marks what a feature brings, on docs.rs.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc = include_str!("../docs/attribute.md")]
pub use distlock_macros::distributed_lock;
#[doc(hidden)]
pub use distlock_runtime::__private;
pub use distlock_runtime::redis;
#[cfg(feature = "test-util")]
#[cfg_attr(docsrs, doc(cfg(feature = "test-util")))]
pub use distlock_runtime::testing;
pub use distlock_runtime::{
    Fence, FenceGate, Hold, Holder, Inspection, LockError, LockGuard, LockManager,
    LockManagerBuilder, LockRequest, SharedHold, StaleFence, Waiter, current, error, global, init,
    with_manager, with_manager_async,
};
