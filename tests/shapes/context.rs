use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::time::Duration;

use distlock::distributed_lock;
use futures::FutureExt as _;

use super::support::{Error, current, support};

// 63
#[distributed_lock("context:{key}", wait = "0s")]
fn leaf(key: &str) -> Result<Option<String>, Error> {
    Ok(current())
}

#[distributed_lock("context:{key}", wait = "0s")]
fn sync_to_sync(key: &str) -> Result<Option<String>, Error> {
    leaf(key)
}

#[distributed_lock("context:{key}", wait = "0s")]
async fn async_to_sync(key: &str) -> Result<Option<String>, Error> {
    tokio::task::yield_now().await;
    leaf(key)
}

#[distributed_lock("context:{key}", wait = "0s")]
async fn async_to_async(key: &str) -> Result<Option<String>, Error> {
    tokio::task::yield_now().await;
    async_to_sync(key).await
}

#[distributed_lock("context:{key}", wait = "0s")]
async fn in_place(key: &str) -> Result<Option<String>, Error> {
    tokio::task::yield_now().await;
    tokio::task::block_in_place(|| leaf(key))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nested_call_under_the_same_key_re_enters() {
    support();
    assert_eq!(sync_to_sync("a").expect("re-enters").as_deref(), Some("context:a"));
    assert_eq!(async_to_sync("b").await.expect("re-enters").as_deref(), Some("context:b"));
    assert_eq!(async_to_async("c").await.expect("re-enters").as_deref(), Some("context:c"));
    assert_eq!(in_place("d").await.expect("re-enters").as_deref(), Some("context:d"));
    assert_eq!(current(), None);
}

// 67
#[distributed_lock("context:spawn")]
async fn spawning() -> Result<[Option<String>; 3], Error> {
    let task = tokio::spawn(async { current() }).await.map_err(|_| Error::Own("task"))?;
    let blocking = tokio::task::spawn_blocking(current).await.map_err(|_| Error::Own("task"))?;
    let thread = std::thread::spawn(current).join().map_err(|_| Error::Own("thread"))?;
    Ok([task, blocking, thread])
}

#[tokio::test]
async fn tasks_and_threads_do_not_inherit_the_hold() {
    support();
    assert_eq!(spawning().await.expect("free"), [None, None, None]);
}

// 59, 68
struct Witness<'a>(&'a Mutex<Option<String>>);

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        *self.0.lock().expect("whole") = current();
    }
}

#[distributed_lock("context:cancel", wait = "0s")]
async fn cancelled(seen: &Mutex<Option<String>>) -> Result<(), Error> {
    let _witness = Witness(seen);
    pending().await
}

#[distributed_lock("context:cancel", wait = "5s")]
async fn afterwards() -> Result<Option<String>, Error> {
    Ok(current())
}

#[tokio::test]
async fn a_cancelled_body_ends_under_its_hold_and_leaves_none() {
    support();
    let seen = Mutex::default();
    let outcome = tokio::time::timeout(Duration::from_millis(20), cancelled(&seen)).await;
    assert!(outcome.is_err());
    assert_eq!(seen.into_inner().expect("whole").as_deref(), Some("context:cancel"));
    assert_eq!(current(), None);
    assert!(afterwards().await.is_ok());
}

// 69
#[distributed_lock("context:panic", wait = "5s")]
async fn panicking(fail: bool) -> Result<(), Error> {
    tokio::task::yield_now().await;
    assert!(!fail, "on purpose");
    Ok(())
}

#[tokio::test]
async fn a_panic_between_polls_leaves_no_hold() {
    support();
    assert!(AssertUnwindSafe(panicking(true)).catch_unwind().await.is_err());
    assert_eq!(current(), None);
    assert!(panicking(false).await.is_ok());
}
