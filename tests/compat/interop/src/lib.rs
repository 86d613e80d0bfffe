//! Holds the tests of `#[distributed_lock]` beside other attributes and frameworks; the README
//! lists what they show.
//!
//! Two of them copy a method with all its attributes. `automock` puts them on
//! functions of its own:
//!
//! ```compile_fail
//! # mod store {
//! # use distlock::{LockError, distributed_lock};
//! #[mockall::automock]
//! trait Store {
//!     #[distributed_lock("store:{id}")]
//!     fn load(&self, id: u32) -> Result<u32, LockError> {
//!         Ok(id)
//!     }
//! }
//! # }
//! # fn main() {}
//! ```
//!
//! The lock is on the implementation, or on a function that the default method calls:
//!
//! ```
//! # mod store {
//! # use distlock::{LockError, distributed_lock};
//! #[mockall::automock]
//! trait Store {
//!     fn load(&self, id: u32) -> Result<u32, LockError> {
//!         load(id)
//!     }
//! }
//!
//! #[distributed_lock("store:{id}")]
//! fn load(id: u32) -> Result<u32, LockError> {
//!     Ok(id)
//! }
//! # }
//! # fn main() {}
//! ```
//!
//! `debug_handler` checks a copy of the body without its attributes, so that above ours it does not
//! know `hold = name`:
//!
//! ```compile_fail
//! # use distlock::{LockError, distributed_lock};
//! #[axum::debug_handler]
//! #[distributed_lock("report", hold = hold, on_error = |error| error.to_string())]
//! async fn report() -> String {
//!     hold.key().to_owned()
//! }
//! ```
//!
//! Below it does:
//!
//! ```
//! # use distlock::{LockError, distributed_lock};
//! #[distributed_lock("report", hold = hold, on_error = |error| error.to_string())]
//! #[axum::debug_handler]
//! async fn report() -> String {
//!     hold.key().to_owned()
//! }
//! ```
