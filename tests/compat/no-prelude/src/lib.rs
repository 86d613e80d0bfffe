//! Nothing is in scope here but what is written here, and much of it has the name of something
//! else. There is no standard library either, as far as this crate knows.
#![no_std]
#![no_implicit_prelude]
#![forbid(unsafe_code)]
#![deny(warnings, rust_2018_idioms)]

extern crate alloc as boxes;

use ::distlock::{LockError, distributed_lock};

pub mod core {}
pub mod std {}
pub mod alloc {}
pub mod distlock_macros {}
pub mod distlock_runtime {}
/// Called like the crate.
pub mod distlock {
    pub const ANSWER: u32 = 42;
}

/// What everybody else finds in the prelude.
#[allow(non_camel_case_types)]
pub mod taken {
    pub enum Option {}
    pub enum Result {}
    pub enum Some {}
    pub enum None {}
    pub trait AsyncFnOnce {}
    pub trait FnOnce {}
    pub trait Future {}
    pub struct Box;
    pub struct Duration;
    pub enum u64 {}
    pub enum bool {}
}

mod locked {
    use super::LockError;
    #[allow(unused_imports)]
    use super::taken::{
        AsyncFnOnce, Box, Duration, FnOnce, Future, None, Option, Result, Some, bool, u64,
    };
    use ::core::result::Result as Outcome;

    #[super::distributed_lock("bare:{id}", ttl = "20s", wait = "5s", max_hold = "1m", renew = true)]
    pub fn sync(id: i64) -> Outcome<i64, LockError> {
        Outcome::Ok(id)
    }

    #[super::distributed_lock("bare:async", if_busy = skip, release = confirmed, on_lost = finish)]
    pub async fn asynchronous(value: i64) -> Outcome<::core::option::Option<i64>, LockError> {
        Outcome::Ok(::core::option::Option::Some(value))
    }

    #[super::distributed_lock("bare:pinned", on_error = |_| 0, hold = hold)]
    pub fn pinned(
        value: usize,
    ) -> ::core::pin::Pin<::boxes::boxed::Box<dyn ::core::future::Future<Output = usize>>> {
        ::boxes::boxed::Box::pin(async move { value + hold.key().len() })
    }

    #[super::distributed_lock("bare:opaque", on_error = panic)]
    pub fn opaque(
        value: usize,
    ) -> impl ::core::future::Future<Output = usize> + ::core::marker::Unpin {
        ::core::future::ready(value)
    }
}

pub use locked::{asynchronous, opaque, pinned, sync};

/// Says which `distlock` it means.
#[distributed_lock("bare:shadowed", hold = hold)]
pub fn shadowed() -> ::core::result::Result<u32, LockError> {
    ::core::assert_eq!(hold.key(), "bare:shadowed");
    ::core::result::Result::Ok(distlock::ANSWER)
}
