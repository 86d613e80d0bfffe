//! A thread that is parked until it is woken: the `block_on` of the runtime.

use distlock_runtime::verification::{block_on, grant_channel};
use shuttle::thread;

use crate::explore::explore;

/// It is woken whenever the answer comes, even after a wake-up for nothing.
pub fn a_blocked_thread_is_woken_by_the_answer() {
    explore(
        || {
            for answer in 0..2 {
                let (grant_sender, receiver) = grant_channel();
                let waits = thread::current();
                let disturbs = thread::spawn(move || waits.unpark());
                let sends = thread::spawn(move || grant_sender.send(answer));
                assert_eq!(block_on(receiver), Some(answer));
                disturbs.join().expect("it disturbs");
                assert_eq!(sends.join().expect("it sends"), Ok(()));
            }
        },
        800,
    );
}
