//! `memory://` under tokio's paused clock, which jumps to the next timer whenever no task is ready.
//! What needs another thread would be late there.

use std::time::Duration;

use distlock::{LockError, LockManager, distributed_lock};
use futures::FutureExt as _;
use tokio::time::{Instant, sleep, timeout};

use crate::support::LIMIT;

fn in_memory(name: &str) -> LockManager {
    LockManager::connect(&format!("memory://paused-{name}")).expect("the url is well formed")
}

/// Far less than a thread needs to wake up, if the clock did not stand still.
const AT_ONCE: Duration = Duration::from_nanos(1);

#[test]
fn a_free_lock_in_memory_is_granted_at_the_first_poll() {
    let locks = in_memory("first-poll");
    for _ in 0..100 {
        let guard = locks.mutex("key").acquire().now_or_never().expect("without a wait");
        let release = guard.expect("it is free").release().now_or_never();
        release.expect("without a wait").expect("it was held");
    }
    let keys = ["a", "b", "c"];
    let guards = locks.mutex_many(keys).acquire().now_or_never().expect("without a wait");
    guards.expect("they are free").release().now_or_never().expect("without a wait").unwrap();
    let request = locks.mutex("key").wait_for_release();
    let guard = request.acquire().now_or_never().expect("without a wait").expect("it is free");
    guard.release().now_or_never().expect("without a wait").expect("it was held");
}

#[tokio::test(start_paused = true)]
async fn a_free_lock_in_memory_takes_no_time_of_a_paused_clock() {
    let locks = in_memory("free");
    let begun = Instant::now();
    for _ in 0..100 {
        let guard = timeout(AT_ONCE, locks.mutex("key").acquire()).await.expect("in time");
        timeout(AT_ONCE, guard.expect("it is free").release()).await.expect("in time").unwrap();
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[distributed_lock("section", manager = locks)]
async fn for_an_hour(locks: &LockManager) -> Result<(), LockError> {
    sleep(Duration::from_secs(3600)).await;
    Ok(())
}

/// The lock itself uses the real clock: no ttl ends while the paused one jumps.
#[tokio::test(start_paused = true)]
async fn tasks_take_turns_under_a_paused_clock() {
    let locks = in_memory("turns");
    let (real, begun) = (std::time::Instant::now(), Instant::now());
    let calls = futures::future::join_all((0..8).map(|_| for_an_hour(&locks)));
    let limit = Duration::from_secs(8 * 3600 + 1);
    for result in timeout(limit, calls).await.expect("one after the other") {
        result.expect("no hold was lost");
    }
    assert_eq!(begun.elapsed().as_secs(), 8 * 3600);
    assert!(real.elapsed() < LIMIT);
}

#[tokio::test(start_paused = true)]
async fn a_try_fails_at_once_under_a_paused_clock() {
    let locks = in_memory("busy");
    let held = locks.mutex("key").acquire().await.unwrap();
    let tried = locks.mutex("key").try_acquire().now_or_never().expect("without a wait");
    assert!(matches!(tried, Ok(None)), "{tried:?}");
    held.release().await.unwrap();
}
