//! Nested calls allocate nothing, except to render a key; and spans nothing if nobody wants them.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use distlock::{LockError, LockManager, current, distributed_lock};
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::with_default;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

const CALLS: u64 = 100;

thread_local! {
    /// The allocations of this thread: those of the manager's thread do not count.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[allow(unsafe_code, reason = "an allocator is unsafe to implement; this one counts and passes on")]
// SAFETY: `System` does the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as for the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as for the caller.
        unsafe { System.dealloc(block, layout) }
    }
}

/// The allocations of a hundred calls.
fn counted(mut call: impl FnMut()) -> u64 {
    call();
    let before = ALLOCATIONS.get();
    (0..CALLS).for_each(|_| call());
    ALLOCATIONS.get() - before
}

fn manager() -> LockManager {
    LockManager::connect("memory://allocations").expect("a valid URL")
}

#[distributed_lock("constant", manager = locks)]
fn constant<R>(locks: &LockManager, body: impl FnOnce() -> R) -> Result<R, LockError> {
    Ok(body())
}

#[distributed_lock("constant", manager = locks)]
async fn constant_async(locks: &LockManager, levels: u32) -> Result<u32, LockError> {
    Ok(levels)
}

#[distributed_lock("constant", manager = locks)]
async fn two_levels_async(locks: &LockManager) -> Result<u32, LockError> {
    Ok(constant_async(locks, 1).await? + constant_async(locks, 1).await?)
}

#[distributed_lock("rendered:{number}", manager = locks)]
fn rendered<R>(locks: &LockManager, number: u64, body: impl FnOnce() -> R) -> Result<R, LockError> {
    Ok(body())
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a nested call need not wait"),
    }
}

#[test]
fn nested_calls_of_a_constant_key_allocate_nothing() {
    let locks = manager();
    let nested = || {
        constant(&locks, || constant(&locks, || constant(&locks, || ())))
            .and_then(|nested| nested)
            .and_then(|nested| nested)
            .expect("it re-enters");
    };
    constant(&locks, || {
        assert_eq!(counted(nested), 0);
        constant(&locks, || {
            assert_eq!(current().expect("a hold").depth(), 2);
            assert_eq!(counted(nested), 0, "inside a section that has got a frame");
        })
    })
    .and_then(|nested| nested)
    .expect("it is free");
}

#[test]
fn nested_async_calls_of_a_constant_key_allocate_nothing() {
    let locks = manager();
    let nested = || assert_eq!(ready(two_levels_async(&locks)).expect("it re-enters"), 2);
    constant(&locks, || assert_eq!(counted(nested), 0)).expect("it is free");
}

#[test]
fn a_nested_call_of_a_rendered_key_allocates_the_key() {
    let locks = manager();
    let nested = || rendered(&locks, 7, || ()).expect("it re-enters");
    rendered(&locks, 7, || assert_eq!(counted(nested), CALLS)).expect("it is free");
}

/// The call waits for no other, and has a lease of its own.
#[test]
fn a_call_whose_spans_nobody_wants_allocates_no_more_for_them() {
    let locks = LockManager::connect("memory://spans").expect("a valid URL");
    let call = || constant(&locks, || ()).expect("it is free");
    // Tables and buffers grow at times.
    let counted = |call| (0..5).map(|_| counted(call)).min().expect("five of them");
    let without = counted(call);
    let info = tracing_subscriber::fmt().with_max_level(Level::INFO).finish();
    assert_eq!(with_default(info, || counted(call)), without);
    let of_others = Targets::new().with_target("another_crate", Level::TRACE);
    let of_others = tracing_subscriber::registry().with(of_others);
    assert_eq!(with_default(of_others, || counted(call)), without);
    let all = tracing_subscriber::registry().with(LevelFilter::DEBUG);
    let with_spans = with_default(all, || counted(call));
    assert!(with_spans > without, "{with_spans} and {without}");
}
