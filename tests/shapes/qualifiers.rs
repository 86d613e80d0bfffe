#![allow(unsafe_code, reason = "the attribute must carry unsafe functions through")]

use std::cell::Cell;
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard};

use distlock::distributed_lock;

use super::support::{Error, support};

// 23
#[distributed_lock("qualifiers:unsafe")]
unsafe fn read(pointer: *const u32) -> Result<u32, Error> {
    // SAFETY: the caller vouches for the pointer.
    Ok(unsafe { *pointer })
}

#[distributed_lock("qualifiers:extern", on_error = |_| -1)]
extern "C" fn negated(value: i32) -> i32 {
    -value
}

#[distributed_lock("qualifiers:unsafe:extern", on_error = panic)]
pub(crate) unsafe extern "C" fn touch(pointer: *mut u8) {
    // SAFETY: the caller vouches for the pointer.
    unsafe { pointer.write(1) };
}

#[test]
fn unsafe_and_extern_functions_keep_their_kind() {
    support();
    let (value, mut byte) = (5, 0);
    // SAFETY: the pointers come from live variables.
    unsafe {
        assert_eq!(read(&raw const value).expect("free"), 5);
        touch(&raw mut byte);
    }
    let pointer: extern "C" fn(i32) -> i32 = negated;
    assert_eq!((pointer(3), byte), (-3, 1));
}

// 52
#[distributed_lock("qualifiers:unsafe:async")]
async unsafe fn read_later(value: &u32) -> Result<u32, Error> {
    tokio::task::yield_now().await;
    // SAFETY: the pointer comes from a reference.
    Ok(unsafe { *std::ptr::from_ref(value) })
}

#[tokio::test]
async fn an_unsafe_async_function_stays_unsafe() {
    support();
    // SAFETY: there is nothing to uphold.
    assert_eq!(unsafe { read_later(&5) }.await.expect("free"), 5);
}

// 24
#[distributed_lock("qualifiers:rc")]
fn shared(counter: Rc<Cell<u32>>) -> Result<Rc<Cell<u32>>, Error> {
    counter.set(counter.get() + 1);
    Ok(counter)
}

#[distributed_lock("qualifiers:local:{}", guard.len(), on_error = panic)]
fn others<'a>(
    guard: MutexGuard<'a, String>,
    cell: &Cell<u32>,
    pointer: *const u8,
    object: &dyn Fn() -> u32,
) -> MutexGuard<'a, String> {
    cell.set(object() + u32::from(pointer.is_null()));
    guard
}

#[test]
fn arguments_that_are_not_send_stay_allowed() {
    support();
    let (text, cell) = (Mutex::new("a".to_owned()), Cell::new(0));
    let guard = others(text.lock().expect("whole"), &cell, std::ptr::null(), &|| 2);
    assert_eq!((guard.as_str(), cell.get()), ("a", 3));
    assert_eq!(shared(Rc::default()).expect("free").get(), 1);
}

// 25
#[distributed_lock("qualifiers:recursion")]
fn depth(left: u32) -> Result<u32, Error> {
    if left == 0 {
        return Ok(0);
    }
    Ok(depth(left - 1)? + 1)
}

#[test]
fn recursion_re_enters_a_thousand_deep() {
    support();
    assert_eq!(depth(1_000).expect("free"), 1_000);
}
