//! A company's own crate that re-exports the lock.
#![forbid(unsafe_code)]
#![deny(warnings, rust_2018_idioms)]

/// The whole crate under another path.
pub use distlock as locks;

/// The attribute for crates that depend on this one only.
///
/// A macro can be handed on with the path already in it.
#[macro_export]
macro_rules! locked {
    ($key:literal, $($function:tt)*) => {
        #[$crate::locks::distributed_lock($key, crate = $crate::locks)]
        $($function)*
    };
}
