//! The attribute in edition 2015, which has no async functions and another meaning of `::core`.
#![forbid(unsafe_code)]
#![deny(warnings)]

extern crate distlock;
extern crate trybuild;

mod inside {
    use distlock::{LockError, distributed_lock};
    use std::future::{Future, ready};
    use std::pin::Pin;

    #[distributed_lock("2015:{id}", wait = "5s", hold = hold)]
    pub fn sync(id: u32) -> Result<String, LockError> {
        Ok(hold.key().to_owned())
    }

    #[distributed_lock("2015:boxed", on_error = panic)]
    pub fn boxed(id: u32) -> Pin<Box<dyn Future<Output = u32> + Send>> {
        Box::pin(ready(id))
    }
}

#[test]
fn functions_are_locked() {
    let manager = distlock::LockManager::connect("memory://").expect("no server is needed");
    distlock::init(manager).expect("once");
    assert_eq!(inside::sync(7).expect("free"), "2015:7");
    drop(inside::boxed(7));
}

#[test]
fn a_mistake_is_reported_in_our_words() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
