//! Where a request waits for its answer: a channel for one value, whose receiver can also be roused without one.

use std::mem;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::types::sync::{Mutex, MutexGuard};
use crate::user_code::wakers;

/// A seat, and the way to whoever sits there.
pub fn seat<T>() -> (GrantSender<T>, GrantReceiver<T>) {
    let place = Arc::new(Channel(Mutex::new(ChannelState::Empty(None))));
    (GrantSender(Arc::clone(&place)), GrantReceiver(place))
}

#[derive(Debug)]
struct Channel<T>(Mutex<ChannelState<T>>);

#[derive(Debug)]
enum ChannelState<T> {
    Empty(Option<Waker>),
    Answered(T),
    /// Nothing comes any more, or nobody waits any more.
    Closed,
}

/// Brings the answer. Dropped without one, it says that none comes.
#[derive(Debug)]
pub struct GrantSender<T>(Arc<Channel<T>>);

/// Waits for the answer; `None` if none comes.
#[derive(Debug)]
pub struct GrantReceiver<T>(Arc<Channel<T>>);

/// Rouses whoever sits there.
#[derive(Debug)]
pub struct Nudge<T>(Arc<Channel<T>>);

impl<T> GrantSender<T> {
    /// The answer comes back if nobody waits for it any more.
    pub fn send(self, answer: T) -> Result<(), T> {
        let mut state = self.0.state();
        let waker = match &mut *state {
            ChannelState::Empty(waker) => waker.take(),
            ChannelState::Answered(_) | ChannelState::Closed => return Err(answer),
        };
        *state = ChannelState::Answered(answer);
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        Ok(())
    }

    pub fn bell(&self) -> Nudge<T> {
        Nudge(Arc::clone(&self.0))
    }
}

impl<T> Drop for GrantSender<T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if let ChannelState::Empty(waker) = &mut *state {
            let waker = waker.take();
            *state = ChannelState::Closed;
            drop(state);
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

impl<T> Nudge<T> {
    /// Wakes the caller before the answer is there. The caller looks, and leaves its waker again.
    pub fn ring(&self) {
        let waker = match &mut *self.0.state() {
            ChannelState::Empty(waker) => waker.take(),
            ChannelState::Answered(_) | ChannelState::Closed => None,
        };
        waker.into_iter().for_each(Waker::wake);
    }

    /// Takes back an answer that no caller has taken up, and leaves another in its place.
    pub fn take_back(&self, instead: T) -> Option<T> {
        match &mut *self.0.state() {
            ChannelState::Answered(answer) => Some(mem::replace(answer, instead)),
            ChannelState::Empty(_) | ChannelState::Closed => None,
        }
    }
}

impl<T> Future for GrantReceiver<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        // A waker may run code of its owner when it is cloned or dropped, so neither is done with the place locked.
        let mut fresh = None;
        loop {
            let mut state = self.0.state();
            match &mut *state {
                ChannelState::Empty(Some(known)) if known.will_wake(context.waker()) => {
                    return Poll::Pending;
                }
                ChannelState::Empty(waker) if fresh.is_some() => {
                    let old = mem::replace(waker, fresh);
                    drop(state);
                    drop(old);
                    return Poll::Pending;
                }
                ChannelState::Empty(_) => {}
                ChannelState::Answered(_) | ChannelState::Closed => {
                    return Poll::Ready(match mem::replace(&mut *state, ChannelState::Closed) {
                        ChannelState::Answered(answer) => Some(answer),
                        ChannelState::Empty(_) | ChannelState::Closed => None,
                    });
                }
            }
            drop(state);
            fresh = Some(wakers::guarded(context.waker()));
        }
    }
}

impl<T> GrantReceiver<T> {
    /// Takes no answer any more.
    pub fn close(&self) {
        let left = mem::replace(&mut *self.0.state(), ChannelState::Closed);
        // An answer that nobody took is dropped here, with the place unlocked.
        drop(left);
    }
}

impl<T> Drop for GrantReceiver<T> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<T> Channel<T> {
    fn state(&self) -> MutexGuard<'_, ChannelState<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
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

    fn poll(seat: &mut GrantReceiver<u32>, count: &Arc<Count>) -> Poll<Option<u32>> {
        let waker = Waker::from(Arc::clone(count));
        Pin::new(seat).poll(&mut Context::from_waker(&waker))
    }

    #[test]
    fn an_answer_wakes_and_is_had_once() {
        let (count, (usher, mut seat)) = (Arc::default(), seat());
        assert_eq!(poll(&mut seat, &count), Poll::Pending);
        assert_eq!(usher.send(7), Ok(()));
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert_eq!(poll(&mut seat, &count), Poll::Ready(Some(7)));
        assert_eq!(poll(&mut seat, &count), Poll::Ready(None));
    }

    #[test]
    fn whoever_is_roused_finds_nothing_and_is_woken_again() {
        let (count, (usher, mut seat)) = (Arc::default(), seat());
        let bell = usher.bell();
        bell.ring();
        assert_eq!(poll(&mut seat, &count), Poll::Pending);
        bell.ring();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert_eq!(poll(&mut seat, &count), Poll::Pending);
        drop(usher);
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
        assert_eq!(poll(&mut seat, &count), Poll::Ready(None));
        bell.ring();
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn an_answer_that_nobody_took_up_can_be_taken_back() {
        let (count, (usher, mut seat)) = (Arc::default(), seat());
        let bell = usher.bell();
        assert_eq!(bell.take_back(8), None, "there is none yet");
        assert_eq!(usher.send(7), Ok(()));
        assert_eq!(bell.take_back(8), Some(7));
        assert_eq!(poll(&mut seat, &count), Poll::Ready(Some(8)));
        assert_eq!(bell.take_back(9), None, "it was taken up");
    }

    #[test]
    fn an_answer_to_an_empty_seat_comes_back() {
        let (usher, empty) = seat();
        drop(empty);
        assert_eq!(usher.send(7), Err(7));
    }
}
