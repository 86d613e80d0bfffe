//! A thread that is parked until it is woken, perhaps after it has stayed awake for some time: the
//! `block_on` of the runtime.

use std::task::Waker;
use std::time::Duration;

use distlock_runtime::verification::{block_on, block_on_with_spin, grant_channel};
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

/// One that stays awake is woken by a notice and by the answer, whether it is still awake or not.
pub fn a_thread_that_stays_awake_is_woken_by_the_answer() {
    explore(
        || {
            let (grant_sender, receiver) = grant_channel();
            receiver.request_notice();
            let sends = thread::spawn(move || {
                grant_sender.give_notice().into_iter().for_each(Waker::wake);
                grant_sender.send(7)
            });
            assert_eq!(block_on_with_spin(receiver, Duration::from_secs(1)), Some(7));
            assert_eq!(sends.join().expect("it sends"), Ok(()));
        },
        800,
    );
}
