use async_recursion::async_recursion;
use distlock::distributed_lock;

use super::support::{Error, assert_released, held, support};

#[distributed_lock("recursion:above:{key}", wait = "0s")]
#[async_recursion]
async fn ours_above(key: &str, depth: u32) -> Result<u32, Error> {
    tokio::task::yield_now().await;
    assert_eq!(held(), Some(format!("recursion:above:{key}")));
    if depth == 0 {
        return Ok(0);
    }
    Ok(1 + ours_above(key, depth - 1).await?)
}

#[async_recursion]
#[distributed_lock("recursion:below:{key}", wait = "0s")]
async fn ours_below(key: &str, depth: u32) -> Result<u32, Error> {
    tokio::task::yield_now().await;
    assert_eq!(held(), Some(format!("recursion:below:{key}")));
    if depth == 0 {
        return Ok(0);
    }
    Ok(1 + ours_below(key, depth - 1).await?)
}

#[async_recursion(?Send)]
#[tracing::instrument(skip_all)]
#[distributed_lock("recursion:unit", wait = "0s", on_error = panic)]
async fn with_a_span(seen: &std::cell::Cell<u32>, depth: u32) {
    assert_eq!(held().as_deref(), Some("recursion:unit"));
    seen.set(seen.get() + 1);
    if depth > 0 {
        with_a_span(seen, depth - 1).await;
    }
}

#[tokio::test]
async fn an_async_function_that_calls_itself_re_enters_in_both_orders() {
    support();
    assert_eq!(ours_above("k", 20).await.expect("re-enters"), 20);
    assert_released("recursion:above:k");
    assert_eq!(ours_below("k", 20).await.expect("re-enters"), 20);
    assert_released("recursion:below:k");
}

#[tokio::test]
async fn the_recursive_future_stays_send() {
    support();
    let above = tokio::spawn(ours_above("s", 2)).await.expect("no panic");
    let below = tokio::spawn(ours_below("s", 2)).await.expect("no panic");
    assert_eq!((above.expect("re-enters"), below.expect("re-enters")), (2, 2));
}

#[tokio::test]
async fn a_recursive_future_that_is_not_send_re_enters_with_a_span_between() {
    support();
    let seen = std::cell::Cell::new(0);
    with_a_span(&seen, 3).await;
    assert_eq!(seen.get(), 4);
    assert_released("recursion:unit");
}
