//! The functions of a crate without a prelude do what they say.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        std::thread::yield_now();
    }
}

#[test]
fn an_expansion_needs_no_name_of_its_surroundings() {
    let manager = distlock::LockManager::connect("memory://").expect("no server is needed");
    distlock::init(manager).expect("once");
    assert_eq!(no_prelude::sync(5).expect("free"), 5);
    assert_eq!(no_prelude::shadowed().expect("free"), 42);
    assert_eq!(ready(no_prelude::asynchronous(7)).expect("free"), Some(7));
    assert_eq!(ready(no_prelude::pinned(1)), 1 + "bare:pinned".len());
    assert_eq!(ready(no_prelude::opaque(9)), 9);
}

/// Where the packages are tested nothing else enables the feature.
#[test]
fn a_url_with_tls_is_served_or_names_the_feature() {
    if let Err(error) = distlock::LockManager::connect("rediss://127.0.0.1:1/") {
        assert!(matches!(error, distlock::LockError::Config(_)), "{error:?}");
        assert!(error.to_string().contains("features = [\"tls-rustls\"]"), "{error}");
    }
}
