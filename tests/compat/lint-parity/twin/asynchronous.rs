//! What is said of async functions only.

use crate::Answer;
#[cfg(feature = "locked")]
use distlock::distributed_lock;
use std::cell::Cell;
use std::rc::Rc;

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn without_await(number: u32) -> Answer<u32> {
    Ok(number)
}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
async fn without_await_private() {
    println!("nothing to wait for");
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn not_sent(shared: Rc<Cell<u32>>) -> Answer<u32> {
    without_await_private().await;
    std::future::ready(1).await;
    Ok(shared.get())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn not_sent_local() -> Answer<u32> {
    let shared = Rc::new(1);
    std::future::ready(1).await;
    Ok(*shared)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn not_sent_borrow(cell: &Cell<u32>) -> Answer<u32> {
    std::future::ready(1).await;
    Ok(cell.get())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn not_sent_generic<T>(value: T) -> Answer<T> {
    std::future::ready(1).await;
    Ok(value)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn large() -> Answer<u8> {
    let array = [0_u8; 40_000];
    std::future::ready(1).await;
    Ok(array[3])
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn awaits_large() -> Answer<u8> {
    large().await?;
    let inner = async {
        let array = [0_u8; 40_000];
        std::future::ready(1).await;
        array[3]
    };
    Ok(inner.await)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn blocks() -> Answer<u32> {
    let future = async { async { 1 } };
    let redundant = async { std::future::ready(1).await }.await;
    let closure = || async move { 2 };
    let spawned = async { without_await(redundant).await };
    Ok(future.await.await + closure().await + spawned.await?)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn calls_itself_async(depth: u32) -> Answer<u32> {
    Box::pin(calls_itself_async(depth)).await
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn late_drop(text: String) -> Answer<usize> {
    let guard = std::sync::Mutex::new(text);
    let length = guard.lock().unwrap().len();
    std::future::ready(1).await;
    let result = match guard.lock() {
        Ok(locked) => Ok(locked.len() + length),
        Err(_) => Ok(1),
    };
    result
}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
pub async fn diverges_async() -> ! {
    loop {}
}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
pub async fn optional(number: Option<u32>) -> Option<u32> {
    let number = number?;
    if let None = Some(number) {
        return None;
    }
    return Some(number);
}
