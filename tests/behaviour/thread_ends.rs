//! Threads that end, while others release.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{alone, connect, server};

/// A release that nobody confirms any more is not theirs.
#[test]
fn the_end_of_a_thread_does_not_block() {
    let _alone = alone();
    let server = server();
    let locks = connect(&server);
    let held = locks.mutex("held").acquire_blocking().unwrap();
    let threads = 8;
    let mut ends = Vec::new();
    let (called, calls) = mpsc::channel();
    for number in 0..threads {
        let (locks, called) = (locks.clone(), called.clone());
        let (end, ending) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            let request = locks.mutex(format!("own:{number}")).wait_for_release();
            request.acquire_blocking().unwrap().release_blocking().unwrap();
            called.send(()).unwrap();
            let _ = ending.recv();
        });
        ends.push((end, thread));
    }
    (0..threads).for_each(|_| calls.recv().unwrap());
    server.kill();
    drop(held);
    let start = Instant::now();
    for (end, thread) in ends {
        drop(end);
        thread.join().unwrap();
    }
    // It was a second for each.
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}
