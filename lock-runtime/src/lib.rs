//! The runtime of the `distlock` crate. Depend on that crate, which re-exports the public items.
//!
//! The layers, lowest first. A layer imports only from lower ones, and from the file that defines
//! the item. `cargo xtask tidy` checks both against the list in ARCHITECTURE.md.
//!
//! 1. `types`: fencing tokens, time, request ids, owner info and other plain values.
//! 2. `user_code`: calls subscribers, recorders, wakers and callbacks of users.
//! 3. `wire`: key names, commands, scripts, replies. Pure.
//! 4. `protocol`: what to do on each reply, notification or timer. Pure; time is an argument.
//! 5. `backend`: where commands are sent: a Redis server or the in-memory server.
//! 6. `local`: the lease of this process and its local queue for each key.
//! 7. `link`: one connection and its protocol, driven by those who wait for it.
//! 8. `owner`: the chain of holds around the running code. Independent of Redis.
//! 9. `error`: errors and their messages.
//! 10. `acquire`: acquiring and releasing, for guards and for the attribute.
//! 11. `api`: what users call.
//! 12. `macro_support`: what the attribute's output calls.

#![forbid(unsafe_code)]
// Shows on docs.rs which items need a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]
// Items that only the verification crates see are private in a normal build.
#![cfg_attr(distlock_verification, allow(missing_docs))]

mod acquire;
mod api;
mod backend;
pub mod error;
mod link;
mod local;
mod macro_support;
mod owner;
mod protocol;
mod types;
mod user_code;
#[cfg(distlock_verification)]
#[doc(hidden)]
pub mod verification;
mod wire;

pub use crate::api::builder::LockManagerBuilder;
pub use crate::api::global::{global, init, with_manager, with_manager_async};
pub use crate::api::hold::{Hold, LockGuard, SharedHold, current};
pub use crate::api::inspection::{Inspection, NestedWait, Waiter};
pub use crate::api::list::LockList;
pub use crate::api::manager::LockManager;
pub use crate::api::request::LockRequest;
pub use crate::api::status::{ManagerStatus, NodeStatus, StatusWatch};
#[cfg(feature = "test-util")]
#[cfg_attr(docsrs, doc(cfg(feature = "test-util")))]
pub use crate::api::testing;
pub use crate::error::LockError;
pub use crate::protocol::timing::AfterFailover;
pub use crate::types::credentials::Credentials;
pub use crate::types::fence::{Fence, FenceGate, StaleFence};
pub use crate::types::owner_info::Holder;
pub use crate::types::pause::{GrantPause, PauseReason};
pub use crate::types::replicas::Replicas;
pub use crate::types::server_kind::ServerKind;

/// The types of the `redis` crate that are needed for
/// [`LockManagerBuilder::client`](crate::LockManagerBuilder::client).
///
/// The whole crate is not re-exported, because its variant `String` would make the compiler write
/// `std::string::String` in all messages.
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub mod redis {
    pub use ::redis::{
        Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion,
        RedisConnectionInfo, RedisError, RedisResult,
    };
    #[cfg(feature = "tls-rustls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls-rustls")))]
    pub use ::redis::{ClientTlsConfig, TlsCertificates};
}

/// What the attribute's output calls. Not a public API: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::acquire::options::Options;
    pub use crate::macro_support::call::{
        AsManager, Box, Call, Failed, all_replicas, call, call_or_panic, call_or_panic_unless_busy,
        call_unless_busy, duration, handle, handle_busy, make, milliseconds, never, replicas,
        split_busy, try_call,
    };
    pub use crate::macro_support::call_setup::LockedFn;
    pub use crate::macro_support::key_value::{KeyList, KeyText, key_value, key_values};
    pub use crate::macro_support::return_value::{
        FromLockError, NotAFuture, SkipValue, return_probe,
    };
}
