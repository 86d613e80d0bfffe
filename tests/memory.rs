//! How many bytes of heap a hold and a waiting call take. The allocator of this binary counts them.
//! One test, so that nothing else allocates.

#[path = "support/mod.rs"]
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use distlock::{LockError, LockManager, distributed_lock};
use testkit::eventually;

use crate::support::{LIMIT, connect, server, traces, until_waiting};

/// Counts the bytes that are allocated, by all threads.
struct CountingAllocator;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[expect(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: the system's allocator does all the work.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}

const HOLDS: usize = 10_000;
const WAITERS: usize = 10_000;

/// With its guard.
const BYTES_PER_HOLD: usize = 1_200;
/// With its future.
const BYTES_PER_WAITER: usize = 500;

/// The bytes for each of `count` that were allocated since `before`.
fn each(before: usize, count: usize) -> usize {
    ALLOCATED.load(Ordering::Relaxed).saturating_sub(before) / count
}

#[distributed_lock("popular", manager = locks)]
async fn locked(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

#[test]
fn a_hold_takes_1200_bytes_and_a_waiting_call_500() {
    let server = server();
    let locks = connect(&server);
    // What a first hold allocates for the manager and its connection is not counted.
    drop(locks.mutex("first").acquire_blocking().unwrap());
    eventually(LIMIT, "it is released", || traces(&server).is_empty());

    let before = ALLOCATED.load(Ordering::Relaxed);
    let mut guards = Vec::with_capacity(HOLDS);
    for number in 0..HOLDS {
        guards.push(locks.mutex(format!("own:{number}")).acquire_blocking().unwrap());
    }
    // The keeper frees some of what the calls needed.
    let what = format!("a hold takes {BYTES_PER_HOLD} bytes, not {}", each(before, HOLDS));
    eventually(LIMIT, &what, || each(before, HOLDS) <= BYTES_PER_HOLD);
    let per_hold = each(before, HOLDS);
    drop(guards);
    eventually(LIMIT, "all are released", || traces(&server).is_empty());
    let left = each(before, HOLDS);

    let holder = locks.mutex("popular").acquire_blocking().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut calls = Vec::with_capacity(WAITERS);
    let before = ALLOCATED.load(Ordering::Relaxed);
    runtime.block_on(async {
        for _ in 0..WAITERS {
            let mut call = Box::pin(locked(&locks));
            assert!(futures::poll!(call.as_mut()).is_pending());
            calls.push(call);
        }
    });
    let per_waiter = each(before, WAITERS);
    until_waiting(&locks, "popular", WAITERS as u64);
    drop(calls);
    drop(holder);

    println!("bytes of heap: {per_hold} per hold, {left} left of each, {per_waiter} per waiter");
    assert!(per_waiter <= BYTES_PER_WAITER, "{per_waiter} bytes per waiter");
}
