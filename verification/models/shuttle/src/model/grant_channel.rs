//! The channel that delivers a grant to a waiting caller, under every schedule.

use std::sync::Arc;

use distlock_runtime::verification::{GrantSender, grant_channel};
use shuttle::thread;

use crate::explore::{block_on, explore_all};

/// An answer wakes the receiver, which takes it.
pub fn a_sent_answer_is_received() {
    explore_all(|| {
        let (grant_sender, receiver) = grant_channel();
        let sender = thread::spawn(move || grant_sender.send(7));
        assert_eq!(block_on(receiver), Some(7));
        assert_eq!(sender.join().expect("it sends"), Ok(()));
    });
}

/// A sender that is dropped without an answer wakes the receiver.
pub fn dropping_the_sender_wakes_the_receiver() {
    explore_all(|| {
        let (grant_sender, receiver) = grant_channel::<u32>();
        let goes = thread::spawn(move || drop(grant_sender));
        assert_eq!(block_on(receiver), None);
        goes.join().expect("it goes");
    });
}

/// An answer sent to a closing receiver is returned to the sender or dropped, exactly once.
pub fn an_answer_to_a_closing_receiver_is_returned_or_dropped() {
    explore_all(|| {
        let (grant_sender, receiver) = grant_channel();
        let answer = Arc::new(());
        let copy = Arc::clone(&answer);
        let sender = thread::spawn(move || sends(grant_sender, copy));
        receiver.close();
        let came_back = sender.join().expect("it sends");
        assert_eq!(Arc::strong_count(&answer), 1 + usize::from(came_back.is_some()));
        assert_eq!(block_on(receiver), None);
    });
}

fn sends<T>(grant_sender: GrantSender<T>, answer: T) -> Option<T> {
    grant_sender.send(answer).err()
}
