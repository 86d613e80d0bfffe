//! What users call: managers, requests, guards, holds.

pub(crate) mod builder;
pub(crate) mod global;
pub(crate) mod hold;
pub(crate) mod inspection;
pub(crate) mod list;
pub(crate) mod manager;
pub(crate) mod request;
pub(crate) mod status;
#[cfg(feature = "test-util")]
#[cfg_attr(docsrs, doc(cfg(feature = "test-util")))]
pub mod testing;
