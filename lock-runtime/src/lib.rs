//! The runtime of the `distlock` crate; use that one.
//!
//! The layers, bottom up. Each knows only those before it:
//!
//! - `fence`, `gate`, `time`, `place`, `sync`, `task`, `printable`: the token, what checks it, the clock's instants, where a lock
//!   is taken, what threads meet at, which task runs, and text of others for messages.
//! - `user_code`: where subscribers, wakers and callbacks of users are called, so that they stop nothing of ours.
//! - `wire`: key names, calls, scripts, replies. Pure.
//! - `protocol`: what to do on which reply, push or timer. Pure; time comes in.
//! - `store`: where calls are sent, a Redis server or the in-process twin.
//! - `identity`: who this process is, for others to read.
//! - `lease`: one hold of one key, with its end and its loss.
//! - `queue`: who waits for a key in this process, and the hold they hand on to each other.
//! - `driver`: the I/O thread that runs the protocol over a store.
//! - `owner`: the chain of holds around the running code. Nothing of Redis.
//! - `lock_order`: which keys are taken inside which, for a warning.
//! - `entry`: the way into a section and out of it.
//! - `lock`, `guard`, `hold`, `keys`, `caller`, `call`, `run`, `output`, `finished`, `site`: what users and the attribute call.
//! - `config`, `manager`, `global`, `inspect`, `error`: the settings and the frame around it all.

#![forbid(unsafe_code)]
// Marks what a feature brings, on docs.rs.
#![cfg_attr(docsrs, feature(doc_cfg))]
// What the verification crates see is documented for maintainers, as all that is private.
#![cfg_attr(any(distlock_sim, distlock_shuttle, distlock_loom), allow(missing_docs))]

mod as_manager;
mod call;
mod caller;
mod config;
mod driver;
mod entry;
#[cfg(any(distlock_sim, distlock_shuttle, distlock_loom))]
mod environment;
pub mod error;
mod fence;
mod finished;
mod gate;
mod global;
mod guard;
mod hold;
mod identity;
mod inspect;
mod keys;
mod lease;
mod length;
mod lock;
mod lock_order;
mod manager;
mod message;
mod options;
mod output;
mod owner;
mod place;
mod printable;
mod protocol;
mod queue;
mod replacement;
mod run;
mod site;
mod store;
mod sync;
mod task;
#[cfg(feature = "test-util")]
#[cfg_attr(docsrs, doc(cfg(feature = "test-util")))]
pub mod testing;
mod time;
mod user_code;
#[cfg(any(distlock_sim, distlock_shuttle, distlock_loom))]
#[doc(hidden)]
pub mod verification;
mod wire;

pub use config::LockManagerBuilder;
pub use error::LockError;
pub use fence::Fence;
pub use gate::{FenceGate, StaleFence};
pub use global::{global, init};
pub use guard::LockGuard;
pub use hold::{Hold, SharedHold, current};
pub use inspect::{Holder, Inspection, Waiter};
pub use lock::LockRequest;
pub use manager::LockManager;
pub use replacement::{with_manager, with_manager_async};

/// The types of the `redis` crate from which a [`redis::Client`] for [`LockManagerBuilder::client`] is made.
///
/// Not the whole crate: it has a variant `String`, and where that can be seen the compiler writes `std::string::String` in all its
/// messages.
pub mod redis {
    pub use ::redis::{
        Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion,
        RedisConnectionInfo, RedisError, RedisResult,
    };
    #[cfg(feature = "tls-rustls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls-rustls")))]
    pub use ::redis::{ClientTlsConfig, TlsCertificates};
}

/// What the attribute's output calls. Not for use by hand: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::as_manager::AsManager;
    pub use crate::call::{
        Box, Call, call, call_all, call_all_or_panic, call_or_panic, duration, handle, make,
        milliseconds, never, never_with, try_call, try_call_all,
    };
    pub use crate::finished::{Finished, returned};
    pub use crate::output::{FromLockError, SkipValue};
    pub use crate::site::Site;
}
