use std::future::ready;
use std::process;

use distlock::error::Busy;
use distlock::{LockError, LockGuard, distributed_lock};
use futures::future::BoxFuture;

use super::support::{Error, support};

/// As a response of a web framework.
#[derive(Debug, PartialEq)]
enum Status {
    Done,
    Conflict(String),
    Failed,
}

fn conflict(busy: Busy) -> Status {
    Status::Conflict(busy.key.into())
}

fn failed(_: LockError) -> Status {
    Status::Failed
}

fn die(_: LockError) -> ! {
    process::abort()
}

// 172
#[distributed_lock("busy:value", if_busy = |_| Ok(7))]
fn value() -> Result<u8, Error> {
    Err(Error::Own("it ran"))
}

#[distributed_lock("busy:{id}", if_busy = |busy| {
    assert_eq!(&*busy.key, format!("busy:{id}"));
    Err(Error::Own(id))
})]
async fn own_error(id: &'static str) -> Result<(), Error> {
    ready(()).await;
    Err(Error::Own("it ran"))
}

#[distributed_lock("busy:status", if_busy = conflict, on_error = failed)]
fn status() -> Status {
    Status::Done
}

#[distributed_lock("busy:later", if_busy = conflict, on_error = failed)]
fn later() -> BoxFuture<'static, Status> {
    Box::pin(ready(Status::Done))
}

#[distributed_lock("busy:panicking", if_busy = conflict, on_error = panic)]
async fn panicking() -> Status {
    Status::Done
}

#[distributed_lock(
    "busy:moved",
    if_busy = |busy| text + &busy.key,
    on_error = |error| text + &error.to_string()
)]
fn moved_by_both(text: String) -> String {
    "it ran".to_owned()
}

#[distributed_lock("busy:boxed", if_busy = |_| Ok(Box::new([1_u8, 2].into_iter())))]
fn coerced() -> Result<Box<dyn Iterator<Item = u8>>, Error> {
    Err(Error::Own("it ran"))
}

#[distributed_lock(
    "busy:both",
    if_busy = |_| Box::new([1_u8, 2].into_iter()),
    on_error = |_| Box::new([].into_iter())
)]
async fn coerced_by_both() -> Box<dyn Iterator<Item = u8> + Send> {
    Box::new([3].into_iter())
}

#[distributed_lock("busy:unnamed", if_busy = |_| 1..2, on_error = |_| 2..3)]
fn unnamed() -> impl Iterator<Item = u8> {
    0..1
}

#[distributed_lock("busy:never", if_busy = |_| panic!("held"), on_error = die)]
fn never() -> ! {
    panic!("it ran")
}

#[distributed_lock("busy:never", if_busy = |_| panic!("held"), on_error = die)]
async fn never_later() -> ! {
    panic!("it ran")
}

#[distributed_lock("busy:nothing", if_busy = |busy| held.push(busy.key.into()), on_error = die)]
fn nothing(held: &mut Vec<String>) {}

// 173
#[distributed_lock("busy:diverges", on_error = die)]
fn diverges(number: u32) -> u32 {
    number
}

#[distributed_lock("busy:diverges", on_error = self::die)]
async fn diverges_later(number: u32) -> Result<u32, String> {
    Ok(number)
}

#[distributed_lock("busy:handler", on_error = handler)]
fn by_argument(handler: impl FnOnce(LockError) -> u8) -> u8 {
    0
}

#[distributed_lock("busy:into", on_error = Into::into)]
fn by_conversion() -> Box<dyn std::error::Error> {
    "it ran".into()
}

fn hold(key: &str) -> LockGuard {
    let locks = distlock::global().expect("set by the test");
    locks.mutex(key).acquire_blocking().expect("free")
}

#[tokio::test]
async fn a_busy_lock_becomes_a_value() {
    support();
    assert!(matches!(value(), Err(Error::Own("it ran"))));
    let _held = hold("busy:value");
    assert!(matches!(value(), Ok(7)));

    assert!(matches!(own_error("id").await, Err(Error::Own("it ran"))));
    let _held = hold("busy:id");
    assert!(matches!(own_error("id").await, Err(Error::Own("id"))));

    assert_eq!((status(), later().await), (Status::Done, Status::Done));
    assert_eq!(panicking().await, Status::Done);
    let _held = ["status", "later", "panicking"].map(|key| hold(&format!("busy:{key}")));
    assert_eq!(status(), Status::Conflict("busy:status".to_owned()));
    assert_eq!(later().await, Status::Conflict("busy:later".to_owned()));
    assert_eq!(panicking().await, Status::Conflict("busy:panicking".to_owned()));
}

#[tokio::test]
async fn two_handlers_share_arguments_and_the_type_of_the_value() {
    support();
    assert_eq!(moved_by_both("at ".to_owned()), "it ran");
    assert!(coerced().is_err());
    assert_eq!(coerced_by_both().await.collect::<Vec<_>>(), [3]);
    assert_eq!(unnamed().collect::<Vec<_>>(), [0]);
    let mut keys = Vec::new();
    nothing(&mut keys);
    let _held =
        ["moved", "boxed", "both", "unnamed", "nothing"].map(|key| hold(&format!("busy:{key}")));
    assert_eq!(moved_by_both("at ".to_owned()), "at busy:moved");
    assert_eq!(coerced().expect("its value").collect::<Vec<_>>(), [1, 2]);
    assert_eq!(coerced_by_both().await.collect::<Vec<_>>(), [1, 2]);
    assert_eq!(unnamed().collect::<Vec<_>>(), [1]);
    nothing(&mut keys);
    assert_eq!(keys, ["busy:nothing"]);
}

#[tokio::test]
async fn a_handler_may_never_return() {
    support();
    assert_eq!(diverges(7), 7);
    assert_eq!(diverges_later(7).await, Ok(7));
    assert_eq!(by_argument(|_| 1), 0);
    assert_eq!(by_conversion().to_string(), "it ran");
    let ran = std::panic::catch_unwind(|| never()).expect_err("it panics");
    assert_eq!(ran.downcast_ref(), Some(&"it ran"));
    let _held = hold("busy:never");
    let held = std::panic::catch_unwind(|| never()).expect_err("it panics");
    assert_eq!(held.downcast_ref(), Some(&"held"));
    let held = tokio::spawn(async { never_later().await }).await.expect_err("it panics");
    assert_eq!(held.into_panic().downcast_ref(), Some(&"held"));
}
