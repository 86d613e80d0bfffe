use std::sync::Arc;
use std::task::{Context, Waker};
use std::thread;

use super::*;
use crate::link::wait::block_on;

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
