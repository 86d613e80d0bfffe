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

#[cfg(target_os = "linux")]
mod clock;
mod eventually;
mod launch;
mod process;
mod proxy;
#[cfg(target_os = "linux")]
mod resources;
mod server;

#[cfg(target_os = "linux")]
pub use clock::ServerClock;
pub use eventually::{eventually, eventually_async};
pub use launch::{Builder, free_port};
pub use proxy::{Cut, Direction, FaultProxy};
#[cfg(target_os = "linux")]
pub use resources::Resources;
pub use server::RedisServer;
