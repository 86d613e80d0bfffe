//! A thread that is parked until it is woken: the `block_on` of the runtime.

use distlock_runtime::verification::{GrantReceiver, block_on, block_on_with_spin, grant_channel};
use shuttle::thread;

use crate::explore::explore;

/// It is woken whenever the answer comes, even after a nudge or a spurious wake-up.
pub fn a_blocked_thread_is_woken_by_the_answer() {
    explore(|| sleeps_until_its_answer(block_on), 800);
}

/// The same if it spins before it parks.
pub fn a_thread_that_spins_first_is_woken_by_the_answer() {
    explore(|| sleeps_until_its_answer(block_on_with_spin), 800);
}

fn sleeps_until_its_answer(wait: fn(GrantReceiver<u32>) -> Option<u32>) {
    for answer in 0..2 {
        let (grant_sender, receiver) = grant_channel();
        let nudge = grant_sender.nudge();
        let rings = thread::spawn(move || nudge.wake_early());
        let sends = thread::spawn(move || grant_sender.send(answer));
        assert_eq!(wait(receiver), Some(answer));
        rings.join().expect("it rings");
        assert_eq!(sends.join().expect("it sends"), Ok(()));
    }
}
