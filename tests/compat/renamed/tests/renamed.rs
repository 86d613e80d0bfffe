//! The dependency has another name in `Cargo.toml`; `crate = lock` says which.
#![forbid(unsafe_code)]
#![deny(warnings, rust_2018_idioms)]

use std::future::Future;

use lock::{LockError, distributed_lock};

#[distributed_lock("renamed:{id}", wait = "5s", hold = hold, crate = lock)]
fn sync(id: u32) -> Result<String, LockError> {
    Ok(hold.key().to_owned())
}

#[lock::distributed_lock("renamed:{id}", crate = ::lock, if_busy = skip)]
async fn asynchronous(id: u32) -> Result<Option<bool>, LockError> {
    tokio::task::yield_now().await;
    Ok(Some(lock::current().is_some_and(|hold| hold.key() == "renamed:2")))
}

#[distributed_lock("renamed:future", crate = lock, on_error = panic, release = confirmed)]
fn future() -> impl Future<Output = bool> {
    async { lock::current().is_some() }
}

// The name it does not have may belong to another crate.
mod distlock {
    pub(super) const ANSWER: u32 = 42;
}

#[distributed_lock("renamed:other", crate = lock, manager = manager)]
fn other(manager: &lock::LockManager) -> Result<u32, LockError> {
    Ok(distlock::ANSWER)
}

#[test]
fn the_attribute_uses_the_crate_path_it_is_given() {
    let manager = lock::LockManager::connect("memory://").expect("no server is needed");
    lock::init(manager.clone()).expect("the only one");
    assert_eq!(sync(1).expect("free"), "renamed:1");
    assert_eq!(other(&manager).expect("free"), 42);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    assert_eq!(runtime.block_on(asynchronous(2)).expect("free"), Some(true));
    assert!(runtime.block_on(future()));
}
