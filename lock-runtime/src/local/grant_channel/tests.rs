//! A sender, a receiver, and what was sent and not received.

use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Wake;

use super::*;

#[derive(Default)]
struct Count(AtomicU32);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn poll(receiver: &mut GrantReceiver<u32>, count: &Arc<Count>) -> Poll<Option<u32>> {
    let waker = Waker::from(Arc::clone(count));
    Pin::new(receiver).poll(&mut Context::from_waker(&waker))
}

#[test]
fn a_value_wakes_the_receiver_and_is_received_once() {
    let (count, (sender, mut receiver)) = (Arc::default(), grant_channel());
    assert_eq!(poll(&mut receiver, &count), Poll::Pending);
    assert_eq!(sender.send(7), Ok(()));
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert_eq!(poll(&mut receiver, &count), Poll::Ready(Some(7)));
    assert_eq!(poll(&mut receiver, &count), Poll::Ready(None));
}

#[test]
fn a_dropped_sender_wakes_the_receiver() {
    let (count, (sender, mut receiver)) = (Arc::default(), grant_channel());
    assert_eq!(poll(&mut receiver, &count), Poll::Pending);
    drop(sender);
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert_eq!(poll(&mut receiver, &count), Poll::Ready(None));
}

#[test]
fn a_value_that_was_not_received_can_be_reclaimed() {
    let (count, (sender, mut receiver)) = (Arc::default(), grant_channel());
    let unclaimed = sender.unclaimed();
    assert_eq!(unclaimed.reclaim(8), None, "nothing was sent yet");
    assert_eq!(sender.send(7), Ok(()));
    assert_eq!(unclaimed.reclaim(8), Some(7));
    assert_eq!(poll(&mut receiver, &count), Poll::Ready(Some(8)));
    assert_eq!(unclaimed.reclaim(9), None, "it was received");
}

#[test]
fn a_value_for_a_dropped_receiver_comes_back() {
    let (sender, receiver) = grant_channel();
    drop(receiver);
    assert_eq!(sender.send(7), Err(7));
}

#[test]
fn a_receiver_gets_notice_if_it_has_requested_that() {
    let (count, (sender, mut receiver)) = (Arc::<Count>::default(), grant_channel());
    assert_eq!(poll(&mut receiver, &count), Poll::Pending);
    assert!(sender.give_notice().is_none());
    receiver.request_notice();
    sender.give_notice().expect("it waits").wake();
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert!(sender.give_notice().is_none(), "it was woken and has not been polled");
    assert_eq!(poll(&mut receiver, &count), Poll::Pending);
    assert_eq!(sender.send(7), Ok(()));
    assert_eq!(count.0.load(Ordering::Relaxed), 2);
    assert_eq!(poll(&mut receiver, &count), Poll::Ready(Some(7)));
}
