//! What the team forbids in `strict/clippy.toml`: said where the body uses it, and nowhere else.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::Answer;
#[cfg(feature = "locked")]
use distlock::distributed_lock;

#[cfg_attr(feature = "locked", distributed_lock("key", wait = "5s", linger = "1ns"))]
pub fn forbidden(number: Option<u32>) -> Answer<Duration> {
    Ok(Duration::from_millis(number.unwrap().into()))
}

#[cfg_attr(feature = "locked", distributed_lock("key", ttl = "5s", on_error = Err))]
pub async fn forbidden_async(number: Option<u32>) -> Answer<u32> {
    Ok(number.unwrap())
}

#[cfg_attr(feature = "locked", distributed_lock("key", max_hold = "5s"))]
pub fn forbidden_boxed(number: u32) -> Pin<Box<dyn Future<Output = Answer<u32>>>> {
    Box::pin(async move { Ok(number) })
}
