use std::sync::atomic::{AtomicU32, Ordering};

use cached::cached;
use distlock::distributed_lock;

use super::support::{Error, assert_released, held, locks, support};

static ABOVE: AtomicU32 = AtomicU32::new(0);
static BELOW: AtomicU32 = AtomicU32::new(0);

#[distributed_lock("cached:above:{id}", on_error = panic)]
#[cached]
fn ours_above(id: u32) -> Option<String> {
    ABOVE.fetch_add(1, Ordering::Relaxed);
    (id > 0).then(held).flatten()
}

#[cached]
#[distributed_lock("cached:below:{id}", on_error = panic)]
fn ours_below(id: u32) -> Option<String> {
    BELOW.fetch_add(1, Ordering::Relaxed);
    (id > 0).then(held).flatten()
}

#[test]
fn a_value_is_computed_once_under_the_lock_in_both_orders() {
    support();
    for _ in 0..2 {
        assert_eq!(ours_above(1).as_deref(), Some("cached:above:1"));
        assert_eq!(ours_below(1).as_deref(), Some("cached:below:1"));
    }
    assert_eq!(ABOVE.load(Ordering::Relaxed), 1);
    assert_eq!(BELOW.load(Ordering::Relaxed), 1);
    assert_released("cached:above:1");
    assert_released("cached:below:1");
}

#[cached(result = true, key = "u32", convert = "{ id }")]
#[distributed_lock("cached:hit:below:{id}", wait = "0s")]
fn hit_below(id: u32) -> Result<u32, Error> {
    if id > 0 { Ok(id) } else { Err(Error::Own("zero")) }
}

#[distributed_lock("cached:hit:above:{id}", wait = "0s")]
#[cached(result = true, key = "u32", convert = "{ id }")]
fn hit_above(id: u32) -> Result<u32, Error> {
    if id > 0 { Ok(id) } else { Err(Error::Own("zero")) }
}

// The one nearer to the function is the outer one: the lock around the look-up, or the
// look-up around the lock.
#[test]
fn a_hit_needs_the_lock_only_with_ours_below() {
    let guard = locks().mutex("cached:hit:above:1").acquire_blocking().expect("free");
    let ask = || std::thread::spawn(|| hit_above(1)).join().expect("no panic");
    assert!(matches!(ask(), Err(Error::Lock(_))), "a failure to lock is not kept");
    drop(guard);
    assert_eq!((hit_above(1).expect("free"), hit_below(1).expect("free")), (1, 1));

    let _above = locks().mutex("cached:hit:above:1").acquire_blocking().expect("free");
    let _below = locks().mutex("cached:hit:below:1").acquire_blocking().expect("free");
    assert_eq!(ask().expect("kept"), 1);
    let below = std::thread::spawn(|| hit_below(1)).join().expect("no panic");
    assert!(matches!(below, Err(Error::Lock(_))));
}
