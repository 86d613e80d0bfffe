//! What users call: managers, requests, guards, holds.

pub(crate) mod builder;
pub(crate) mod fence_gate;
pub(crate) mod global;
pub(crate) mod guard;
pub(crate) mod hold;
pub(crate) mod inspect;
pub(crate) mod manager;
pub(crate) mod replacement;
pub(crate) mod request;
#[cfg(feature = "test-util")]
#[cfg_attr(docsrs, doc(cfg(feature = "test-util")))]
pub mod testing;
