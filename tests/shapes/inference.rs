//! What the return type tells the body, and what the body tells the return type.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::fmt::Debug;
use std::future::{Future, ready};
use std::ops::ControlFlow;

use distlock::{LockError, distributed_lock};
use tokio::task::JoinError;

use super::support::{Error, support};

// 92
#[distributed_lock("inference:closure", on_error = panic)]
async fn counter(mut from: u32) -> impl FnMut() -> u32 {
    tokio::task::yield_now().await;
    move || {
        from += 1;
        from
    }
}

#[distributed_lock("inference:nested", on_error = panic)]
async fn nested() -> (impl Debug, Vec<impl Fn(u32) -> u32>) {
    ("debug", vec![|n| n + 1])
}

#[tokio::test]
async fn a_type_without_a_name_leaves_the_body_once() {
    support();
    let mut counter = counter(1).await;
    assert_eq!((counter(), counter()), (2, 3));
    let (debug, closures) = nested().await;
    assert_eq!((format!("{debug:?}"), closures[0](1)), ("\"debug\"".to_owned(), 2));
}

// 93
#[allow(clippy::async_yields_async, reason = "that it yields a future is the point")]
#[distributed_lock("inference:future", on_error = panic)]
async fn future_of(now: bool) -> Box<dyn Future<Output = Result<u32, JoinError>> + Send + Unpin> {
    if now {
        return Box::new(Box::pin(async move { Ok(1) }));
    }
    Box::new(tokio::spawn(ready(2)))
}

#[tokio::test]
async fn an_async_function_yields_one_of_several_futures() {
    support();
    assert_eq!(future_of(true).await.await.expect("no panic"), 1);
    assert_eq!(future_of(false).await.await.expect("no panic"), 2);
}

// 94
static NUMBER: u32 = 7;

#[distributed_lock("inference:static", on_error = |_| &0)]
async fn shared(now: bool) -> &'static (dyn Debug + Sync) {
    if now {
        return &NUMBER;
    }
    tokio::task::yield_now().await;
    &"text"
}

#[tokio::test]
async fn a_reference_coerces_to_one_of_a_trait_object() {
    support();
    assert_eq!(format!("{:?} {:?}", shared(true).await, shared(false).await), "7 \"text\"");
}

// 95
type Outcome<T = (), E = Error> = std::result::Result<T, E>;

#[distributed_lock("inference:alias")]
fn default_parameters() -> Outcome {
    let value: u8 = "7".parse().map_err(|_| Error::Own("no number"))?;
    if value == 7 { Ok(()) } else { Err(Error::Own("another")) }
}

#[distributed_lock("inference:alias")]
async fn own_parameter(text: &str) -> Outcome<u8, Box<dyn StdError + Send + Sync>> {
    Ok(text.parse()?)
}

#[tokio::test]
async fn an_alias_of_result_has_defaults_of_its_own() {
    support();
    assert!(default_parameters().is_ok());
    assert_eq!(own_parameter("1").await.expect("free"), 1);
    assert!(own_parameter("x").await.is_err());
}

// 96
#[distributed_lock("inference:infallible", on_error = |err| panic!("{err}"))]
fn cannot_fail(value: u32) -> Result<u32, Infallible> {
    Ok(value)
}

#[distributed_lock("inference:flow", on_error = ControlFlow::Break)]
fn flow(value: u32) -> ControlFlow<LockError, u32> {
    if value == 0 {
        return ControlFlow::Continue(1);
    }
    let less = flow(value - 1)?;
    ControlFlow::Continue(less + 1)
}

#[distributed_lock("inference:flow", on_error = ControlFlow::Break)]
async fn flow_async(value: u32) -> ControlFlow<LockError, u32> {
    tokio::task::yield_now().await;
    ControlFlow::Continue(flow(value)?)
}

#[tokio::test]
async fn other_types_with_a_question_mark_take_a_policy() {
    support();
    let Ok(value) = cannot_fail(3);
    assert_eq!(value, 3);
    assert!(matches!(flow(2), ControlFlow::Continue(3)));
    assert!(matches!(flow_async(2).await, ControlFlow::Continue(3)));
}

// 97
macro_rules! fallible {
    ($ty:ty) => {
        Result<$ty, Error>
    };
}

#[distributed_lock("inference:macro")]
fn by_macro(text: &str) -> fallible!(Box<dyn Debug>) {
    if text.is_empty() {
        return Err(Error::Own("empty"));
    }
    Ok(Box::new(text.to_owned()))
}

#[distributed_lock("inference:macro")]
async fn by_macro_async(text: &str) -> fallible!((u32, &str)) {
    tokio::task::yield_now().await;
    Ok((1, text))
}

#[tokio::test]
async fn a_return_type_may_be_written_by_a_macro() {
    support();
    assert_eq!(format!("{:?}", by_macro("a").expect("free")), "\"a\"");
    assert!(by_macro("").is_err());
    assert_eq!(by_macro_async("a").await.expect("free"), (1, "a"));
}

// 98
struct Count(u32);

impl Count {
    #[allow(clippy::unused_unit, reason = "the written unit is the point")]
    #[distributed_lock("inference:unit", on_error = panic)]
    async fn add(&mut self) -> () {
        let this = &mut *self;
        this.0 += 1;
    }

    #[allow(clippy::unused_unit, reason = "likewise")]
    #[distributed_lock("inference:unit", on_error = panic)]
    fn add_again(&mut self) -> () {
        self.0 += 1;
    }
}

#[tokio::test]
async fn an_explicit_unit_return_type_works() {
    support();
    let mut count = Count(0);
    count.add().await;
    count.add_again();
    assert_eq!(count.0, 2);
}

// 99
#[distributed_lock("inference:dyn")]
fn not_send(text: &str) -> Result<u8, Box<dyn StdError>> {
    let value: u8 = text.parse()?;
    if value == 0 {
        Err("zero")?;
    }
    Ok(value)
}

#[distributed_lock("inference:dyn")]
async fn not_send_async(text: &str) -> Result<u8, Box<dyn StdError>> {
    tokio::task::yield_now().await;
    not_send(text)
}

#[tokio::test]
async fn a_boxed_error_need_not_be_send() {
    support();
    assert_eq!(not_send("7").expect("free"), 7);
    assert!(not_send_async("0").await.is_err());
}

// 100
#[distributed_lock("inference:returns", on_error = panic)]
#[allow(clippy::needless_return, reason = "the last statement is the point")]
async fn returns(count: &mut u32) {
    *count += 1;
    return;
}

#[distributed_lock("inference:returns")]
#[allow(clippy::needless_return, reason = "the last statement is the point")]
fn returns_value(value: u32) -> Result<u32, Error> {
    if value > 0 {
        return Ok(value);
    }
    return Err(Error::Own("zero"));
}

#[tokio::test]
async fn a_body_may_end_in_a_return_statement() {
    support();
    let mut count = 0;
    returns(&mut count).await;
    assert_eq!((count, returns_value(2).ok(), returns_value(0).ok()), (1, Some(2), None));
}
