//! The channel that delivers a grant to a waiting caller, under every schedule.

use std::sync::Arc;

use distlock_runtime::verification::{GrantSender, grant_channel};
use shuttle::thread;

use crate::explore::{block_on, explore_all};

/// An answer wakes the receiver, which takes it.
pub fn a_sent_answer_is_received() {
    explore_all(|| {
        let (usher, seat) = grant_channel();
        let sender = thread::spawn(move || usher.send(7));
        assert_eq!(block_on(seat), Some(7));
        assert_eq!(sender.join().expect("it sends"), Ok(()));
    });
}

/// A sender that is dropped without an answer wakes the receiver.
pub fn dropping_the_sender_wakes_the_receiver() {
    explore_all(|| {
        let (usher, seat) = grant_channel::<u32>();
        let goes = thread::spawn(move || drop(usher));
        assert_eq!(block_on(seat), None);
        goes.join().expect("it goes");
    });
}

/// A nudge wakes the receiver early and loses no answer.
pub fn a_nudge_loses_no_answer() {
    explore_all(|| {
        let (usher, seat) = grant_channel();
        let bell = usher.nudge();
        let rings = thread::spawn(move || bell.wake_early());
        let sends = thread::spawn(move || usher.send(7));
        assert_eq!(block_on(seat), Some(7));
        rings.join().expect("it rings");
        assert_eq!(sends.join().expect("it sends"), Ok(()));
    });
}

/// An answer sent to a closing receiver is returned to the sender or dropped, exactly once.
pub fn an_answer_to_a_closing_receiver_is_returned_or_dropped() {
    explore_all(|| {
        let (usher, seat) = grant_channel();
        let answer = Arc::new(());
        let copy = Arc::clone(&answer);
        let sender = thread::spawn(move || sends(usher, copy));
        seat.close();
        let came_back = sender.join().expect("it sends");
        assert_eq!(Arc::strong_count(&answer), 1 + usize::from(came_back.is_some()));
        assert_eq!(block_on(seat), None);
    });
}

fn sends<T>(usher: GrantSender<T>, answer: T) -> Option<T> {
    usher.send(answer).err()
}
