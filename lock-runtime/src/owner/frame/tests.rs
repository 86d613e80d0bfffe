use std::sync::Arc;
use std::task::{Context, Waker};
use std::thread;

use super::*;
use crate::api::hold::LockGuard;
use crate::api::manager::LockManager;
use crate::link::wait::block_on;
use crate::owner::context::current;

#[test]
fn many_threads_hold_it_one_at_a_time() {
    let shared = Arc::new((SiblingMutex::default(), AtomicUsize::new(0), AtomicUsize::new(0)));
    let workers: Vec<_> = (0..8)
        .map(|_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (mutex, inside, done) = &*shared;
                for _ in 0..2_000 {
                    block_on(mutex.lock());
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    inside.fetch_sub(1, Ordering::SeqCst);
                    done.fetch_add(1, Ordering::SeqCst);
                    mutex.unlock();
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().expect("no overlap");
    }
    assert_eq!(shared.2.load(Ordering::SeqCst), 16_000);
}

#[test]
fn a_waiter_dropped_after_it_was_woken_wakes_the_next() {
    let mutex = SiblingMutex::default();
    assert!(mutex.try_lock());
    let mut context = Context::from_waker(Waker::noop());
    let mut first = Box::pin(mutex.lock());
    let mut second = Box::pin(mutex.lock());
    assert!(first.as_mut().poll(&mut context).is_pending());
    assert!(second.as_mut().poll(&mut context).is_pending());
    mutex.unlock();
    drop(first);
    assert!(second.as_mut().poll(&mut context).is_ready());
    assert!(!mutex.try_lock());
}

fn here() -> Arc<Frame> {
    current().expect("a hold is around this code")
}

/// What a wait here would be registered in.
fn blocked() -> Vec<RequestId> {
    here().blocked_sections()
}

fn held() -> Vec<String> {
    here().held_locks().map(|(_, key)| key.to_owned()).collect()
}

/// A function that acquires keys of its own manager, together.
fn acquire(name: &str) -> impl Fn(&[&str]) -> LockGuard {
    let locks = LockManager::connect(&format!("memory://{name}")).expect("a valid URL");
    move |keys| locks.mutex_many(keys.iter().copied()).acquire_blocking().expect("free")
}

#[test]
fn a_wait_blocks_each_hold_that_was_entered_around_it() {
    let acquire = acquire("around");
    let [a, b] = [acquire(&["a"]), acquire(&["b"])];
    let [in_a, in_b] = [&a, &b].map(|guard| guard.enter(blocked));
    assert_eq!((in_a.len(), in_b.len()), (1, 1));
    assert_eq!(a.enter(|| b.enter(blocked)), [&*in_b, &*in_a].concat());
    assert_eq!(
        block_on(b.scope(a.scope(async { blocked() }))).unwrap().unwrap(),
        [in_a[0], in_b[0]]
    );
    assert_eq!(a.enter(|| b.enter(held)), ["b", "a"]);

    // Acquired inside a hold that was left.
    let c = a.enter(|| acquire(&["c"]));
    let in_c = c.enter(blocked);
    assert_eq!(in_c.len(), 1);
    assert_eq!(a.enter(|| c.enter(blocked)), [&*in_c, &*in_a].concat());
    assert_eq!(b.enter(|| c.enter(blocked)), [&*in_c, &*in_b].concat());
    assert_eq!(b.enter(|| c.enter(held)), ["c", "a", "b"], "the order is that of acquiring too");

    let share = c.hold().share().expect("it is held");
    assert_eq!(b.enter(|| share.run(blocked)), [&*in_c, &*in_b].concat());
    assert_eq!(a.enter(|| share.run(|| b.enter(blocked))), [&*in_b, &*in_c, &*in_a].concat());
}

#[test]
fn a_wait_blocks_each_key_of_a_guard() {
    let acquire = acquire("keys");
    let (other, both) = (acquire(&["other"]), acquire(&["a", "b"]));
    let alone = both.enter(blocked);
    assert_eq!(alone.len(), 2);
    assert_ne!(alone[0], alone[1]);
    let around = other.enter(blocked);
    assert_eq!(other.enter(|| both.enter(blocked)), [&*alone, &*around].concat());
    let share = both.hold().share().expect("it is held");
    assert_eq!(share.run(blocked), alone[..1], "only this key is kept");
}

#[test]
fn a_guard_that_re_entered_blocks_its_section_and_a_share_of_it_does_not() {
    let acquire = acquire("again");
    let (a, b) = (acquire(&["a"]), acquire(&["b"]));
    let [in_a, in_b] = [&a, &b].map(|guard| guard.enter(blocked));
    let again = a.enter(|| acquire(&["a"]));
    let section = a.enter(|| here().running_child()).expect("it has the turn");
    let both = [section, in_a[0]];
    assert_eq!(a.enter(|| again.enter(blocked)), both);
    assert_eq!(again.enter(blocked), both);
    assert_eq!(b.enter(|| again.enter(blocked)), [&both[..], &in_b].concat());
    let share = again.hold().share().expect("it is held");
    assert_eq!(share.run(blocked), in_a);
    assert!(!a.enter(|| share.run(blocked)).contains(&section));
}

#[test]
fn a_long_chain_of_entered_guards_is_dropped_without_recursion() {
    let acquire = acquire("long");
    let guard = acquire(&["a"]);
    let frame = guard.enter(here);
    let enter = |around, _| Some(frame.elsewhere(around, true));
    let innermost = (0..100_000).fold(None, enter);
    assert_eq!(innermost.expect("it has frames").blocked_sections().len(), 100_000);
}
