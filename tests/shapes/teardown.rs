//! Locked calls in destructors of thread-locals, while the thread that holds the context ends.

use std::cell::RefCell;
use std::pin::pin;
use std::sync::mpsc::{self, Sender};
use std::task::{Context, Poll, Waker};
use std::thread;

use distlock::distributed_lock;

use super::support::{Error, current, support};

/// What a destructor saw: the hold around it, and what a locked call in it did.
type Seen = (Option<String>, Result<Option<String>, Error>);

#[distributed_lock("teardown:{name}", wait = "5s")]
fn locked(name: &str) -> Result<Option<String>, Error> {
    nested(name)?;
    Ok(current())
}

#[distributed_lock("teardown:{name}", wait = "5s", hold = hold)]
fn nested(name: &str) -> Result<String, Error> {
    Ok(hold.key().to_owned())
}

#[distributed_lock("teardown:{name}", wait = "5s")]
async fn locked_async(name: &str) -> Result<Option<String>, Error> {
    std::future::ready(()).await;
    Ok(current())
}

struct AtTheEnd {
    call: fn(&str) -> Result<Option<String>, Error>,
    report: Sender<Seen>,
}

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        let seen = (current(), (self.call)("end"));
        self.report.send(seen).expect("the test waits for it");
    }
}

thread_local!(static END: RefCell<Option<AtTheEnd>> = const { RefCell::new(None) });

fn at_the_end(end: AtTheEnd) {
    END.with_borrow_mut(|place| *place = Some(end));
}

/// What the destructor saw that was registered before the library's own, and the one that was
/// registered after it.
fn seen(call: fn(&str) -> Result<Option<String>, Error>) -> [Seen; 2] {
    support();
    [true, false].map(|first| {
        let (report, seen) = mpsc::channel();
        let end = AtTheEnd { call, report };
        let thread = thread::spawn(move || {
            if first {
                at_the_end(end);
                return call("life").map(drop);
            }
            let called = call("life").map(drop);
            at_the_end(end);
            called
        });
        thread.join().expect("no panic while the thread ends").expect("free");
        seen.recv().expect("the destructor ran")
    })
}

// Executors keep thread-locals of their own, which may be gone by then.
fn poll_to_the_end<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(output) = polled {
            return output;
        }
        thread::yield_now();
    }
}

// 71
#[test]
fn a_destructor_of_a_thread_local_takes_the_lock() {
    for (around, locked) in seen(locked) {
        assert_eq!(around, None);
        assert!(locked.is_ok(), "{locked:?}");
    }
    for (around, locked) in seen(|name| poll_to_the_end(locked_async(name))) {
        assert_eq!(around, None);
        assert!(locked.is_ok(), "{locked:?}");
    }
    assert!(locked("end").is_ok(), "nothing is left behind");
}
