//! Models.

#![allow(dead_code, unused_imports)]

mod driver;
mod explore;
mod identity;
mod keeper;
pub mod model;
mod process;
mod sync;
mod time;
mod witness;

#[path = "../../../lock-runtime/src/fence.rs"]
mod fence;
#[path = "../../../lock-runtime/src/lease.rs"]
mod lease;
#[path = "../../../lock-runtime/src/owner/mod.rs"]
mod owner;
#[path = "../../../lock-runtime/src/place.rs"]
mod place;
#[path = "../../../lock-runtime/src/protocol/mod.rs"]
mod protocol;
#[path = "../../../lock-runtime/src/queue/mod.rs"]
mod queue;
#[path = "../../../lock-runtime/src/wire/mod.rs"]
mod wire;

use fence::Fence;
