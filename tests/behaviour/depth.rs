//! A thousand nested calls.

use distlock::{LockError, LockManager, distributed_lock};
use testkit::eventually;

use crate::support::process::{Process, orders};
use crate::support::{LIMIT, connect, server, traces};

const DEPTH: u32 = 1000;

#[distributed_lock("deep", manager = locks)]
fn descend(locks: &LockManager, levels: u32) -> Result<u32, LockError> {
    if levels == 0 { Ok(0) } else { Ok(descend(locks, levels - 1)? + 1) }
}

#[distributed_lock("deep", manager = locks)]
async fn descend_async(locks: &LockManager, levels: u32) -> Result<u32, LockError> {
    tokio::task::yield_now().await;
    if levels == 0 { Ok(0) } else { Ok(Box::pin(descend_async(locks, levels - 1)).await? + 1) }
}

#[distributed_lock("deep:{levels}", manager = locks)]
fn descend_by_keys(locks: &LockManager, levels: u32) -> Result<u32, LockError> {
    if levels == 0 { Ok(0) } else { Ok(descend_by_keys(locks, levels - 1)? + 1) }
}

/// Where the stack has got to.
#[inline(never)]
fn note(stack: &mut Vec<usize>) {
    let here = 0_u8;
    stack.push(std::ptr::from_ref(&here).addr());
}

#[distributed_lock("deep", manager = locks)]
fn descend_noting(
    locks: &LockManager,
    levels: u32,
    stack: &mut Vec<usize>,
) -> Result<(), LockError> {
    note(stack);
    if levels == 0 { Ok(()) } else { descend_noting(locks, levels - 1, stack) }
}

#[distributed_lock("deep", manager = locks)]
async fn descend_noting_async(
    locks: &LockManager,
    levels: u32,
    stack: &mut Vec<usize>,
) -> Result<(), LockError> {
    note(stack);
    if levels == 0 {
        Ok(())
    } else {
        Box::pin(descend_noting_async(locks, levels - 1, stack)).await
    }
}

/// Bytes of the stack for each level.
fn each(stack: &[usize]) -> usize {
    let (first, last) = (stack[0], stack[stack.len() - 1]);
    first.abs_diff(last) / (stack.len() - 1)
}

/// Runs the dive in a process of its own: a stack that overflows takes its process along.
fn dive(test: impl Fn(), dive: impl FnOnce(LockManager) -> u32) {
    if let Some(orders) = orders() {
        assert_eq!(dive(LockManager::connect(&orders.url).unwrap()), DEPTH);
        return;
    }
    let server = server();
    Process::start(test, &server.url(), "diver").finish();
    eventually(LIMIT, "it is released", || traces(&server).is_empty());
}

#[test]
fn a_thousand_levels_of_sync_calls_fit_the_stack_of_a_thread() {
    dive(a_thousand_levels_of_sync_calls_fit_the_stack_of_a_thread, |locks| {
        descend(&locks, DEPTH).unwrap()
    });
}

#[test]
fn a_thousand_levels_of_async_calls_fit_the_stack_of_a_thread() {
    dive(a_thousand_levels_of_async_calls_fit_the_stack_of_a_thread, |locks| {
        futures::executor::block_on(descend_async(&locks, DEPTH)).unwrap()
    });
}

#[test]
fn a_thousand_levels_of_async_calls_fit_the_stack_of_a_runtimes_worker() {
    dive(a_thousand_levels_of_async_calls_fit_the_stack_of_a_runtimes_worker, |locks| {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let task = runtime.spawn(async move { descend_async(&locks, DEPTH).await });
        runtime.block_on(task).unwrap().unwrap()
    });
}

#[test]
fn two_hundred_keys_can_be_held_inside_one_another() {
    let server = server();
    let locks = connect(&server);
    assert_eq!(descend_by_keys(&locks, 200).unwrap(), 200);
    eventually(LIMIT, "all are released", || traces(&server).is_empty());
}

/// What a level takes in a debug build is what the tests above rest on; the frames of the function
/// itself are in it.
#[test]
fn a_level_takes_less_than_two_kilobytes_of_the_stack() {
    let locks = LockManager::connect("memory://").unwrap();
    let (mut sync, mut asynchronous) = (Vec::new(), Vec::new());
    descend_noting(&locks, 50, &mut sync).unwrap();
    futures::executor::block_on(descend_noting_async(&locks, 50, &mut asynchronous)).unwrap();
    let (sync, asynchronous) = (each(&sync), each(&asynchronous));
    println!("stack for each nested level: sync {sync} bytes, async {asynchronous} bytes");
    assert!(sync < 1_500 && asynchronous < 2_000, "sync {sync}, async {asynchronous}");
}
