//! The examples of the book in docs/, and of the README. Those of docs/attribute.md are on the page
//! of the attribute.

#[doc = include_str!("../../../../docs/concepts.md")]
pub mod concepts {}
#[doc = include_str!("../../../../docs/fencing.md")]
pub mod fencing {}
#[doc = include_str!("../../../../docs/getting-started.md")]
pub mod getting_started {}
#[doc = include_str!("../../../../docs/metrics.md")]
pub mod metrics {}
#[doc = include_str!("../../../../docs/migration.md")]
pub mod migration {}
#[doc = include_str!("../../../../docs/operations.md")]
pub mod operations {}
#[doc = include_str!("../../../../docs/testing.md")]
pub mod testing {}
#[doc = include_str!("../../../../README.md")]
pub mod readme {}
