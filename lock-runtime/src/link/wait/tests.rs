//! Blocking without a link, and what another thread does for one that waits.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::coop::{consume_budget, has_budget_remaining};

use crate::api::manager::LockManager;
use crate::link::wait::{BLOCKING, Driver, PARKED, Parker, block_on, block_on_with_spin};
use crate::types::environment::atomic::Ordering;

const SECONDS: Duration = Duration::from_secs(20);

#[test]
fn a_thread_is_woken_by_another_one() {
    for _ in 0..100 {
        let (sender, receiver) = oneshot::channel();
        let waits = thread::spawn(move || block_on(receiver));
        sender.send(7).expect("it waits");
        assert_eq!(waits.join().expect("no panic"), Ok(7));
    }
}

#[test]
fn a_wake_up_of_an_earlier_wait_does_not_end_a_later_one_early() {
    let start = Instant::now();
    let (sender, receiver) = oneshot::channel::<()>();
    drop(sender);
    assert!(block_on(receiver).is_err());
    let (sender, receiver) = oneshot::channel();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        let _ = sender.send(());
    });
    assert!(block_on(receiver).is_ok());
    assert!(start.elapsed() >= Duration::from_millis(20));
}

#[test]
fn an_answer_in_memory_that_another_thread_passes_on_is_there_at_the_first_poll() {
    let locks = LockManager::connect("memory://wait:passed-on").expect("the url is well formed");
    let link = Arc::clone(locks.core().link().link());
    let (sender, mut receiver) = oneshot::channel();
    let (begun, has_begun) = mpsc::channel();
    let (polled, is_polled) = mpsc::channel();
    let passes_on = move || {
        begun.send(()).expect("the test waits");
        is_polled.recv_timeout(SECONDS).expect("it is polled");
        let _ = sender.send(7);
    };
    thread::scope(|scope| {
        scope.spawn(|| link.submit(|router, _| router.after(passes_on)));
        has_begun.recv_timeout(SECONDS).expect("it is carried out");
        let mut context = Context::from_waker(Waker::noop());
        let answer = Driver::default().poll(&link, &mut context, |context| {
            let answer = Pin::new(&mut receiver).poll(context);
            let _ = polled.send(());
            answer
        });
        assert_eq!(answer, Poll::Ready(Some(Ok(7))));
    });
}

#[test]
fn an_answer_is_received_in_a_task_without_budget() {
    let (done, ended) = mpsc::channel();
    // Left alone if it hangs.
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let task = runtime.spawn(async move {
            while has_budget_remaining() {
                consume_budget().await;
            }
            let (sender, receiver) = oneshot::channel();
            sender.send(7).expect("it waits");
            block_on(receiver)
        });
        let _ = done.send(runtime.block_on(task).expect("no panic"));
    });
    assert_eq!(ended.recv_timeout(Duration::from_secs(20)), Ok(Ok(7)));
}

#[test]
fn a_wait_inside_another_one_does_not_take_its_wake_up() {
    let (done, ended) = mpsc::channel();
    // Left alone if it hangs.
    thread::spawn(move || {
        let mut polls = 0;
        block_on(poll_fn(|context| {
            polls += 1;
            if polls > 1 {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            block_on(async {});
            Poll::Pending
        }));
        let _ = done.send(());
    });
    assert_eq!(ended.recv_timeout(Duration::from_secs(20)), Ok(()));
}

#[test]
fn a_thread_that_waits_for_two_things_reads_for_the_later_one_too() {
    let server = testkit::RedisServer::start().expect("a server");
    let (done, ended) = mpsc::channel();
    let url = server.url();
    // Left alone if it hangs.
    thread::spawn(move || {
        let locks = LockManager::connect(&url).expect("the url is well formed");
        locks.inspect_blocking("key").expect("it is connected");
        let link = Arc::clone(locks.core().link().link());
        let (mut first, mut second) = (Driver::default(), Driver::default());
        let mut answer = None;
        let mut polls = 0;
        let found = block_on(poll_fn(|context| {
            polls += 1;
            assert!(first.poll(&link, context, |_| Poll::<()>::Pending).is_pending());
            if polls == 1 {
                // It reads from now on.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let answer = answer.get_or_insert_with(|| locks.core().links().inspect("key"));
            second.poll(&link, context, |context| Pin::new(&mut *answer).poll(context))
        }));
        let _ = done.send(matches!(found, Some(Ok(Ok(_)))));
    });
    assert_eq!(ended.recv_timeout(SECONDS), Ok(true));
}

#[test]
fn a_thread_that_stays_awake_is_woken_by_the_outcome() {
    for outcome in [Ok(7), Err(())] {
        let (sender, receiver) = oneshot::channel();
        let (done, ended) = mpsc::channel();
        // Left alone if it hangs.
        thread::spawn(move || done.send(block_on_with_spin(receiver, SECONDS * 1000)));
        match outcome {
            Ok(value) => sender.send(value).expect("it waits"),
            Err(()) => drop(sender),
        }
        assert_eq!(ended.recv_timeout(SECONDS).expect("no hang").map_err(drop), outcome);
    }
}

#[test]
fn a_thread_stays_awake_for_a_limited_time_and_sleeps_again_after_a_wake_up_for_nothing() {
    let (sender, receiver) = oneshot::channel();
    let (started, starts) = mpsc::channel();
    let waits = thread::spawn(move || {
        let _ = started.send(BLOCKING.with(|own| Arc::clone(&own.parker)));
        block_on_with_spin(receiver, Duration::from_millis(1))
    });
    let parker: Arc<Parker> = starts.recv().expect("it runs");
    let start = Instant::now();
    for _ in 0..3 {
        while parker.state.load(Ordering::Acquire) != PARKED {
            assert!(start.elapsed() < SECONDS, "it does not sleep");
            thread::yield_now();
        }
        parker.wake_by_ref();
    }
    sender.send(7).expect("it waits");
    assert_eq!(waits.join().expect("no panic"), Ok(7));
}
