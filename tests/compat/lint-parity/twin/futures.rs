//! Plain functions whose return type is a future.

use crate::Answer;
#[cfg(feature = "locked")]
use distlock::distributed_lock;
use std::future::Future;
use std::pin::Pin;

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn manual(text: String) -> impl Future<Output = Answer<usize>> {
    async move { Ok(text.len()) }
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn manual_borrowed<'a>(text: &'a String) -> impl Future<Output = Answer<usize>> + 'a {
    let unused = 1;
    async move {
        let inner = 2;
        return Ok(text.len());
    }
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn returned(text: String) -> impl Future<Output = Answer<usize>> + Send {
    let length = text.len();
    return std::future::ready(Ok(length));
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn let_returned(numbers: Vec<u32>) -> impl Future<Output = Answer<usize>> + Send {
    let future = async move { Ok(numbers.len()) };
    future
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn boxed(text: String) -> Pin<Box<dyn Future<Output = Answer<usize>> + Send>> {
    let unused = 1;
    Box::pin(async move {
        let unused = text.clone().clone();
        return Ok(text.parse::<usize>().unwrap());
    })
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn boxed_borrowed<'a>(
    numbers: &'a Vec<u32>,
) -> Pin<Box<dyn Future<Output = Answer<u32>> + Send + 'a>> {
    if numbers.is_empty() {
        return Box::pin(std::future::ready(Ok(1)));
    }
    Box::pin(async move { Ok(numbers[0]) })
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn drops_them(text: String) -> Answer<usize> {
    manual(text.clone());
    boxed(text.clone());
    let _ = boxed(text.clone());
    let later = returned(text);
    Ok(later.await?)
}
