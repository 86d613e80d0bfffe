//! Helpers of distlock's tests: redis-server processes of their own, and waiting by condition instead of
//! sleeping.
//!
//! ```
//! use std::time::Duration;
//! use testkit::{RedisServer, eventually};
//!
//! # fn main() -> std::io::Result<()> {
//! let server = RedisServer::start()?;
//! server.command(&["SET", "greeting", "hello", "PX", "20"]);
//! eventually(Duration::from_secs(5), "the key expires", || {
//!     server.command(&["EXISTS", "greeting"]) == redis::Value::Int(0)
//! });
//! # Ok(())
//! # }
//! ```

mod eventually;
mod launch;
mod process;
mod proxy;
mod server;

pub use eventually::{eventually, eventually_async};
pub use launch::{Builder, free_port};
pub use proxy::{Cut, Direction, FaultProxy};
pub use server::RedisServer;
