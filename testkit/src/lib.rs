//! Helpers for the tests of distlock: private redis-server processes, faults between them and their
//! clients, and waiting for conditions instead of sleeping.
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
//!
//! A [`FaultProxy`] between clients and a server delays, holds and cuts connections:
//!
//! ```
//! use testkit::{Cut, FaultProxy, RedisServer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = RedisServer::start()?;
//! let proxy = FaultProxy::start(&server)?;
//! let mut connection = redis::Client::open(proxy.url())?.get_connection()?;
//! proxy.cut(Cut::AfterApply);
//! redis::cmd("INCR").arg("n").exec(&mut connection).unwrap_err();
//! assert_eq!(server.command(&["INCR", "n"]), redis::Value::Int(2));
//! # Ok(())
//! # }
//! ```
//!
//! [`Sentinels`] is a primary with replicas and Sentinels that promote them, [`Replicated`] a
//! primary with replicas behind one address, and [`Cluster`] a Redis Cluster of three primaries
//! with a replica each.
//!
//! With the feature `tls`, an `Authority` issues certificates for servers with a TLS port.
//!
//! On Linux, a server can have its own wall clock (`Builder::with_clock`, `RedisServer::clock`),
//! and `Resources` counts threads and file descriptors of a process.

#[cfg(feature = "tls")]
mod authority;
mod barrier;
#[cfg(target_os = "linux")]
mod clock;
mod cluster;
mod eventually;
mod info;
mod launch;
mod node;
mod process;
mod proxy;
mod replicated;
#[cfg(target_os = "linux")]
mod resources;
mod sentinels;
mod server;

#[cfg(feature = "tls")]
pub use authority::{Authority, Issued};
pub use barrier::Barrier;
#[cfg(target_os = "linux")]
pub use clock::ServerClock;
pub use cluster::Cluster;
pub use eventually::{eventually, eventually_async};
pub use launch::{Builder, ReservedPort};
pub use process::{pause_child, resume_child};
pub use proxy::{Cut, Direction, FaultProxy};
pub use replicated::Replicated;
#[cfg(target_os = "linux")]
pub use resources::Resources;
pub use sentinels::Sentinels;
pub use server::RedisServer;
