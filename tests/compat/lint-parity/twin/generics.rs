//! Lifetimes and type parameters.

use crate::Answer;
#[cfg(feature = "locked")]
use distlock::distributed_lock;
use std::fmt::{Debug, Display};
use std::future::Future;
use std::hash::BuildHasher;

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn needless<'a>(text: &'a str) -> Answer<&'a str> {
    Ok(text)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn needless_async<'a>(text: &'a str) -> Answer<&'a str> {
    Ok(text)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn once<'a>(text: &'a str) -> Answer {
    drop(text.to_owned());
    Ok(())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn once_async<'a>(text: &'a str) -> Answer {
    drop(text.to_owned());
    Ok(())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn unused_lifetime<'a, 'b: 'b>(text: &'static str) -> Answer {
    drop(text.to_owned());
    Ok(())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn redundant_lifetime<'a, 'b: 'static>(one: &'a str, two: &'b str) -> Answer<usize> {
    Ok(one.len() + two.len())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn unused_type<T>(number: u32) -> Answer<u32> {
    Ok(number)
}

pub struct Borrowed<'a>(pub &'a str);

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn elided(borrowed: Borrowed, text: &str) -> Answer<usize> {
    Ok(borrowed.0.len() + text.len())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn elided_in_return(text: &str) -> Answer<Borrowed> {
    Ok(Borrowed(text))
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn elided_in_return_async(text: &str) -> Answer<Borrowed> {
    Ok(Borrowed(text))
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn opaque(shown: impl Display, debugged: &impl Debug) -> Answer<String> {
    Ok(format!("{shown}{debugged:?}"))
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn opaque_async(shown: impl Display, debugged: &impl Debug) -> Answer<String> {
    Ok(format!("{shown}{debugged:?}"))
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn bounds<T: Clone + Debug + Clone, U>(left: T, right: U) -> Answer<String>
where
    T: Display,
    U: Copy,
    U: Display,
{
    Ok(left.to_string() + &right.clone().to_string())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn bounds_async<T: Clone + Debug + Clone, U>(left: T, right: U) -> Answer<String>
where
    T: Display,
    U: Copy + Display,
{
    Ok(left.to_string() + &right.clone().to_string())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn borrows<T: AsRef<str>>(text: T) -> Answer<usize> {
    Ok(text.as_ref().len())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn hashes<S: BuildHasher>(
    map: &std::collections::HashMap<u32, u32, S>,
    other: &std::collections::HashMap<u32, u32>,
) -> Answer<usize> {
    Ok(map.len() + other.len())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn iterates<const N: usize>(numbers: &[u32; N]) -> Answer<impl Iterator<Item = u32> + '_> {
    let mapped = numbers.iter().map(|number| *number);
    Ok(mapped)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn iterates_async(numbers: Vec<u32>) -> Answer<impl Iterator<Item = impl Debug>> {
    return Ok(numbers.into_iter().map(|number| number));
}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
pub fn captures<'a>(text: &'a str, other: &str) -> impl Iterator<Item = char> + use<'a> {
    let unused = other.len();
    text.chars()
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn coerces(flag: bool) -> Answer<Box<dyn Iterator<Item = u32>>> {
    if flag {
        return Ok(Box::new(0..3));
    }
    Ok(Box::new(std::iter::empty()))
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn coerces_async(flag: bool) -> Answer<Box<dyn Iterator<Item = u32> + Send>> {
    if flag {
        return Ok(Box::new(0..3));
    }
    Ok(Box::new(std::iter::empty()))
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn needless_borrowed<'a>(text: &'a str) -> Answer<Borrowed<'a>> {
    Ok(Borrowed(text))
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn needless_boxed<'a>(
    text: &'a str,
) -> std::pin::Pin<Box<dyn Future<Output = Answer<&'a str>> + Send + 'a>> {
    Box::pin(async move { Ok(text) })
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn needless_future<'a>(text: &'a str) -> impl Future<Output = Answer<Borrowed<'a>>> {
    async move { Ok(Borrowed(text)) }
}

pub trait Load<'a>: Sized {
    type Loaded;
    fn load(&self, text: &'a str) -> Self::Loaded;
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn loads<'a, T: Load<'a>>(
    loader: &T,
    text: &'a str,
) -> Answer<(<T as Load<'a>>::Loaded, &'a str)> {
    Ok((loader.load(text), text))
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn higher<'a>(text: &'a str) -> Answer<Box<dyn for<'b> Fn(&'b str) -> usize + 'a>> {
    Ok(Box::new(move |other| text.len() + other.len()))
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn chooses<'a>(text: &'a str) -> Answer<Box<dyn Fn(&'a str) -> &'a str + 'a>> {
    Ok(Box::new(move |other| if other.is_empty() { text } else { other }))
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn points<'a>(text: &'a str) -> Answer<(fn(&'a str) -> &'a str, &'a str)> {
    fn same<'b>(one: &'b str) -> &'b str {
        one
    }
    Ok((same, text))
}
