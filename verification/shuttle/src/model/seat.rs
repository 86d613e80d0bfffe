//! The seat of a request and the usher with its answer: every schedule there is.

use std::sync::Arc;

use distlock_runtime::verification::{GrantSender, grant_channel};
use shuttle::thread;

use crate::explore::{block_on, exhaust};

/// An answer wakes whoever waits, and is had.
pub fn an_answer_reaches_its_seat() {
    exhaust(|| {
        let (usher, seat) = grant_channel();
        let sender = thread::spawn(move || usher.send(7));
        assert_eq!(block_on(seat), Some(7));
        assert_eq!(sender.join().expect("it sends"), Ok(()));
    });
}

/// An usher that goes without an answer wakes too.
pub fn no_answer_reaches_its_seat() {
    exhaust(|| {
        let (usher, seat) = grant_channel::<u32>();
        let goes = thread::spawn(move || drop(usher));
        assert_eq!(block_on(seat), None);
        goes.join().expect("it goes");
    });
}

/// A bell rouses, and loses nobody's answer.
pub fn a_bell_loses_no_answer() {
    exhaust(|| {
        let (usher, seat) = grant_channel();
        let bell = usher.nudge();
        let rings = thread::spawn(move || bell.wake_early());
        let sends = thread::spawn(move || usher.send(7));
        assert_eq!(block_on(seat), Some(7));
        rings.join().expect("it rings");
        assert_eq!(sends.join().expect("it sends"), Ok(()));
    });
}

/// An answer that meets a seat which closes comes back, or is dropped there: it is one of the two.
pub fn an_answer_to_a_seat_that_closes_is_gone_once() {
    exhaust(|| {
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
