//! Functions that take functions, and locked functions that are taken.

use std::cell::Cell;

use distlock::distributed_lock;

use super::support::{Error, support};

// 104
#[distributed_lock("lifetimes:callback")]
async fn called_back(mut callback: impl FnMut(&str) + Send) -> Result<(), Error> {
    callback(&String::from("a"));
    tokio::task::yield_now().await;
    callback("b");
    Ok(())
}

#[distributed_lock("lifetimes:callback:async")]
async fn called_back_async(callback: impl AsyncFn(&mut u32), value: &mut u32) -> Result<(), Error> {
    callback(value).await;
    callback(&mut 0).await;
    Ok(())
}

#[tokio::test]
async fn a_callback_takes_references_of_any_lifetime() {
    support();
    let mut seen = String::new();
    called_back(|text| seen.push_str(text)).await.expect("free");
    assert_eq!(seen, "ab");
    let (calls, mut value) = (Cell::new(0), 1);
    let callback = async |value: &mut u32| {
        tokio::task::yield_now().await;
        *value += 1;
        calls.set(calls.get() + 1);
    };
    called_back_async(callback, &mut value).await.expect("free");
    assert_eq!((value, calls.get()), (2, 2));
}

// 111
#[distributed_lock("lifetimes:item:{text}")]
fn as_item(text: &str) -> Result<&str, Error> {
    Ok(text)
}

#[distributed_lock("lifetimes:item:{text}")]
async fn as_async_item(text: &str) -> Result<usize, Error> {
    tokio::task::yield_now().await;
    Ok(text.len())
}

#[distributed_lock("lifetimes:outer")]
async fn applied(f: impl AsyncFn(&str) -> Result<usize, Error>) -> Result<usize, Error> {
    Ok(f(&String::from("ab")).await? + f("c").await?)
}

#[tokio::test]
async fn a_locked_function_is_a_value_like_any_other() {
    support();
    let pointer: for<'a> fn(&'a str) -> Result<&'a str, Error> = as_item;
    let mapped: Result<Vec<_>, _> = ["a", "b"].into_iter().map(as_item).collect();
    assert_eq!(mapped.expect("free"), ["a", "b"]);
    assert_eq!(pointer(&String::from("c")).expect("free"), "c");
    assert_eq!(applied(as_async_item).await.expect("free"), 3);
}
