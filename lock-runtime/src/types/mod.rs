//! Plain values that all layers share.

pub(crate) mod call_site;
#[cfg(any(distlock_sim, distlock_shuttle, distlock_loom))]
pub(crate) mod environment;
pub(crate) mod fence;
pub(crate) mod holder;
pub(crate) mod human_duration;
pub(crate) mod owner_info;
pub(crate) mod printable;
pub(crate) mod process_info;
pub(crate) mod request_id;
pub(crate) mod sync;
pub(crate) mod task;
pub(crate) mod time;
