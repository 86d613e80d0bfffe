use std::future::Future;
use std::pin::Pin;

use distlock::distributed_lock;

use super::support::{Error, support};

// 46
#[distributed_lock("async:id:{id}")]
async fn doubled(id: u32) -> Result<u32, Error> {
    if id == 0 {
        return Err(Error::Own("zero"));
    }
    tokio::task::yield_now().await;
    Ok(id * 2)
}

#[distributed_lock("async:unit", on_error = panic)]
async fn unit(count: &mut u32) {
    if *count > 0 {
        return;
    }
    tokio::task::yield_now().await;
    *count += 1;
}

#[distributed_lock("async:handled", on_error = |_| String::new())]
async fn handled(text: String) -> String {
    tokio::task::yield_now().await;
    text
}

#[distributed_lock("async:skip", if_busy = skip)]
async fn skipping(text: &str) -> Result<Option<usize>, Error> {
    tokio::task::yield_now().await;
    Ok(text.find('x'))
}

#[tokio::test]
async fn an_async_function_yields_its_value() {
    support();
    assert_eq!(doubled(4).await.expect("free"), 8);
    assert!(doubled(0).await.is_err());
    let mut count = 0;
    unit(&mut count).await;
    unit(&mut count).await;
    assert_eq!(count, 1);
    assert_eq!(handled("a".to_owned()).await, "a");
    assert_eq!(skipping("ax").await.expect("free"), Some(1));
}

// 46
#[distributed_lock("async:impl", on_error = panic)]
async fn adder(by: u32) -> impl Fn(u32) -> u32 {
    tokio::task::yield_now().await;
    move |n| n + by
}

#[distributed_lock("async:impl:nested")]
async fn up_to(limit: u32) -> Result<impl Iterator<Item = u32>, Error> {
    if limit == 0 {
        return Err(Error::Own("empty"));
    }
    tokio::task::yield_now().await;
    Ok((0..limit).map(|n| n + 1))
}

#[tokio::test]
async fn an_opaque_value_leaves_an_async_function() {
    support();
    assert_eq!(adder(2).await(1), 3);
    assert_eq!(up_to(2).await.expect("free").sum::<u32>(), 3);
}

// 46
#[distributed_lock("async:never", on_error = panic)]
async fn never(text: &str) -> ! {
    tokio::task::yield_now().await;
    panic!("{text}")
}

#[distributed_lock("async:never", on_error = |err| panic!("{err}"))]
async fn never_handled(text: &str) -> ! {
    loop {
        tokio::task::yield_now().await;
        assert!(text.is_empty(), "{text}");
    }
}

#[tokio::test]
async fn a_diverging_async_function_diverges() {
    support();
    assert!(tokio::spawn(async { never("out").await }).await.is_err());
    assert!(tokio::spawn(async { never_handled("out").await }).await.is_err());
}

// 47
#[distributed_lock("async:dyn")]
async fn closure(value: u32) -> Result<Box<dyn FnOnce() -> u32 + Send>, Error> {
    tokio::task::yield_now().await;
    Ok(Box::new(move || value + 1))
}

#[distributed_lock("async:dyn:arms")]
async fn either(up: bool) -> Result<Box<dyn Iterator<Item = u32> + Send>, Error> {
    if up {
        return Ok(Box::new(0..3));
    }
    tokio::task::yield_now().await;
    Ok(Box::new((0..3).rev()))
}

#[distributed_lock("async:dyn:future")]
async fn boxed() -> Result<Pin<Box<dyn Future<Output = u32> + Send>>, Error> {
    Ok(Box::pin(async { 1 }))
}

#[distributed_lock("async:dyn:plain", on_error = |err| Box::new(err))]
async fn error() -> Box<dyn std::error::Error + Send + Sync> {
    Box::new(std::io::Error::other("x"))
}

#[distributed_lock("async:slice")]
async fn slice(values: &[u8; 3]) -> Result<&[u8], Error> {
    Ok(values)
}

#[tokio::test]
async fn a_box_coerces_to_a_trait_object_in_async_functions() {
    support();
    assert_eq!(closure(1).await.expect("free")(), 2);
    assert_eq!(either(true).await.expect("free").last(), Some(2));
    assert_eq!(either(false).await.expect("free").last(), Some(0));
    assert_eq!(boxed().await.expect("free").await, 1);
    assert_eq!(error().await.to_string(), "x");
    assert_eq!(slice(&[1, 2, 3]).await.expect("free").len(), 3);
}

#[derive(Debug, PartialEq)]
enum Shadow {
    Some,
    None,
}

#[distributed_lock("async:shadow")]
async fn shadowed(yes: bool) -> Result<Shadow, Error> {
    use Shadow::{None, Some};
    Ok(if yes { Some } else { None })
}

#[tokio::test]
async fn names_of_the_prelude_may_be_shadowed_in_the_body() {
    support();
    assert_eq!(shadowed(true).await.expect("free"), Shadow::Some);
    assert_eq!(shadowed(false).await.expect("free"), Shadow::None);
}

// 166
#[rustfmt::skip]
#[distributed_lock("async:line", on_error = panic)]
async fn on_one_line() -> impl std::fmt::Display { 7 }

#[rustfmt::skip]
#[distributed_lock("async:line", on_error = panic)]
async fn never_on_one_line() -> ! { panic!("on one line") }

#[tokio::test]
async fn a_body_on_one_line_has_no_superfluous_braces() {
    support();
    assert_eq!(on_one_line().await.to_string(), "7");
    let panicked = tokio::spawn(never_on_one_line()).await.expect_err("it panics");
    assert!(panicked.is_panic());
}
