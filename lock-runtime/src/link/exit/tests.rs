//! What the exit of a process does to a link.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::api::manager::LockManager;

#[test]
fn a_hold_that_lingers_is_released() {
    let locks = || LockManager::connect("memory://exit:lingers").unwrap();
    let (ours, others) = (locks(), locks());
    let request = ours.mutex("key").linger(Duration::from_secs(60));
    drop(request.acquire_blocking().unwrap());
    assert!(others.mutex("key").try_acquire_blocking().unwrap().is_none(), "it lingers");
    let link = Arc::clone(ours.core().link().link());
    flush(&[link], Instant::now() + FLUSH_TIMEOUT);
    assert!(others.mutex("key").try_acquire_blocking().unwrap().is_some());
}
