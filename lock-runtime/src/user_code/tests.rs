//! Misbehaving code of users on the helper threads of an I/O thread.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};
use std::thread;
use std::time::Duration;

use crate::user_code::{MAX_QUEUED_EVENTS, call, emit, guarded_waker, mark_io_thread};

const LIMIT: Duration = Duration::from_secs(20);

/// Runs `body` on a thread that counts as an I/O thread, which must not block.
fn on_an_io_thread(body: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    let thread = thread::spawn(move || {
        mark_io_thread();
        body();
        let _ = done.send(());
    });
    assert_ne!(ended.recv_timeout(LIMIT), Err(RecvTimeoutError::Timeout), "it is blocked");
    thread.join().expect("it does not panic");
}

#[test]
fn a_panic_in_an_event_is_caught_and_the_next_is_emitted() {
    let (emitted, events) = mpsc::channel();
    on_an_io_thread(move || {
        emit(|| panic!("a bug in a subscriber"));
        emit(move || emitted.send(thread::current().name().map(str::to_owned)).unwrap());
    });
    assert_eq!(events.recv_timeout(LIMIT), Ok(Some("distlock-log".to_owned())));
}

#[test]
fn an_event_elsewhere_is_emitted_at_once_and_may_panic() {
    emit(|| panic!("a bug in a subscriber"));
    let (emitted, events) = mpsc::channel();
    emit(move || emitted.send(thread::current().id()).unwrap());
    assert_eq!(events.try_recv(), Ok(thread::current().id()));
}

#[test]
fn a_blocking_subscriber_blocks_nothing_and_events_are_dropped() {
    let (go_on, blocked) = mpsc::channel::<()>();
    let (emitted, events) = mpsc::channel();
    on_an_io_thread(move || {
        emit(move || {
            let _ = blocked.recv();
        });
        for number in 0..3 * MAX_QUEUED_EVENTS {
            let emitted = emitted.clone();
            emit(move || emitted.send(number).unwrap());
        }
    });
    drop(go_on);
    let seen: Vec<usize> = events.iter().collect();
    assert!(
        (MAX_QUEUED_EVENTS - 1..=MAX_QUEUED_EVENTS + 1).contains(&seen.len()),
        "{}",
        seen.len()
    );
    assert!(seen.is_sorted());
}

#[test]
fn callbacks_run_in_order_even_if_one_panics() {
    let (called, calls) = mpsc::channel();
    on_an_io_thread(move || {
        for number in 0..100 {
            let called = called.clone();
            call(move || {
                called.send(number).unwrap();
                assert!(number % 7 > 0, "a bug in a callback");
            });
        }
    });
    assert!(calls.iter().eq(0..100));
}

/// A waker that waits for the test when it is woken, and for nothing when it is dropped.
struct BlockingWaker(Mutex<Receiver<()>>);

impl Wake for BlockingWaker {
    fn wake(self: Arc<Self>) {
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).recv();
    }
}

#[test]
fn a_waker_that_blocks_does_not_block_the_io_thread() {
    let (go_on, blocked) = mpsc::channel();
    let waker = guarded_waker(&Waker::from(Arc::new(BlockingWaker(Mutex::new(blocked)))));
    on_an_io_thread(move || waker.wake());
    drop(go_on);
}

struct PanickingWaker;

impl Wake for PanickingWaker {
    fn wake(self: Arc<Self>) {
        panic!("a bug in an executor");
    }
}

impl Drop for PanickingWaker {
    fn drop(&mut self) {
        panic!("another one");
    }
}

#[test]
fn a_waker_that_panics_stops_nothing() {
    let waker = guarded_waker(&Waker::from(Arc::new(PanickingWaker)));
    waker.wake_by_ref();
    let elsewhere = waker.clone();
    on_an_io_thread(move || elsewhere.wake());
    drop(waker);
}
