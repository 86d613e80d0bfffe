//! Lints about arguments and return types of plain functions.

use crate::Answer;
#[cfg(feature = "locked")]
use distlock::distributed_lock;
use std::borrow::Cow;
use std::collections::{HashMap, LinkedList};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn by_value(text: String, numbers: Vec<u32>, map: HashMap<u32, u32>) -> Answer<usize> {
    Ok(text.len() + numbers.len() + map.len())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn by_value_async(text: String, numbers: Vec<u32>) -> Answer<usize> {
    Ok(text.len() + numbers.len())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn by_reference(number: &u32, pair: &(u8, u8), flag: &bool) -> Answer<u32> {
    Ok(*number + u32::from(pair.0) + u32::from(*flag))
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn by_pointer(
    text: &String,
    numbers: &Vec<u32>,
    path: &PathBuf,
    cow: &Cow<str>,
    boxed: &Box<u32>,
) -> Answer<usize> {
    Ok(text.len() + numbers.len() + path.iter().count() + cow.len() + **boxed as usize)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn by_pointer_async(
    text: &String,
    numbers: &Vec<u32>,
    boxed: &Box<u32>,
) -> Answer<usize> {
    Ok(text.len() + numbers.len() + **boxed as usize)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn by_mutable(numbers: &mut Vec<u32>, text: &mut String, number: &mut u32) -> Answer<usize> {
    numbers.push(1);
    Ok(numbers.len() + text.len() + *number as usize)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn by_mutable_async(numbers: &mut Vec<u32>, text: &mut String) -> Answer<usize> {
    numbers.push(1);
    Ok(numbers.len() + text.len())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
fn private_by_mutable(numbers: &mut Vec<u32>, mut text: String) -> Answer<usize> {
    Ok(numbers.len() + text.len())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
async fn private_by_mutable_async(numbers: &mut Vec<u32>, text: String) -> Answer<usize> {
    Ok(numbers.len() + text.len())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn calls_private() -> Answer<usize> {
    let text = String::new();
    let sync = private_by_mutable(&mut vec![1], text)?;
    Ok(sync + private_by_mutable_async(&mut vec![1], String::new()).await?)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn many(
    one: u32,
    two: u32,
    three: u32,
    four: u32,
    five: u32,
    six: u32,
    seven: u32,
    eight: u32,
) -> Answer<u32> {
    Ok(one + two + three + four + five + six + seven + eight)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn flags(one: bool, two: bool, three: bool, four: bool) -> Answer<bool> {
    Ok(one || two || three || four)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn flags_sync(one: bool, two: bool, three: bool, four: bool) -> Answer<bool> {
    Ok(one || two || three || four)
}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
pub fn no_work(number: u32) -> u32 {
    number
}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
pub fn candidate(number: &str) -> usize {
    number.len()
}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
pub async fn candidate_async(number: &str) -> usize {
    number.len()
}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
fn wraps(number: u32) -> Option<u32> {
    if number == 3 {
        return Some(4);
    }
    Some(number)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
fn wraps_result(number: u32) -> Answer<u32> {
    Ok(number + wraps(1).map_or(1, |one| one))
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
fn wraps_nothing() -> Answer {
    Ok(())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn calls_wraps() -> Answer<u32> {
    wraps_nothing()?;
    wraps_result(2)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn types(
    boxed: Box<Vec<u32>>,
    list: &LinkedList<u32>,
    shared: Rc<Vec<u32>>,
    doubled: Arc<Box<u32>>,
    option: Option<Option<u32>>,
    optional: &Option<String>,
    late: Vec<Box<u32>>,
) -> Answer<Result<(), ()>> {
    drop((boxed, list, shared, doubled, option, optional, late));
    Ok(Ok(()))
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn complex(
    handler: Box<
        dyn Fn(
            HashMap<u32, Vec<Option<Result<u32, String>>>>,
        ) -> Box<dyn Iterator<Item = Result<Vec<u32>, String>>>,
    >,
) -> Answer<
    Vec<
        Option<Result<Box<dyn Iterator<Item = Result<Vec<u32>, String>>>, Box<dyn Fn(u32) -> u32>>>,
    >,
> {
    drop(handler);
    Ok(Vec::new())
}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
pub fn unit_error() -> Result<u32, ()> {
    Ok(1)
}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
pub fn large_error() -> Result<u32, [u8; 512]> {
    Err([0; 512])
}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
pub async fn large_error_async() -> Result<u32, [u8; 512]> {
    Err([0; 512])
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn large_argument(array: [u8; 1024]) -> Answer<u8> {
    Ok(array[0])
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
fn boxes() -> Answer<Box<u32>> {
    Ok(Box::new(1))
}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
fn boxes_plain() -> Box<u32> {
    Box::new(1)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn calls_boxes() -> Answer<Box<u32>> {
    drop(boxes_plain());
    boxes()
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn only_in_recursion(depth: u32, passed: u32) -> Answer<u32> {
    if depth == 0 {
        return Ok(0);
    }
    only_in_recursion(depth - 1, passed)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn only_in_recursion_async(depth: u32, passed: u32) -> Answer<u32> {
    if depth == 0 {
        return Ok(0);
    }
    Box::pin(only_in_recursion_async(depth - 1, passed)).await
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
#[inline(always)]
pub fn inlined() -> Answer {
    Ok(())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub extern "C" fn foreign(text: String) -> Answer {
    drop(text);
    Ok(())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn placeholders(
    _: u32,
    (left, right): (u32, u32),
    [first, ..]: [u32; 3],
    ref text: String,
) -> Answer<u32> {
    Ok(left + first)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn placeholders_async(
    _: u32,
    (left, right): (u32, u32),
    ref text: String,
) -> Answer<u32> {
    Ok(left)
}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
pub fn diverges(code: i32) -> ! {
    panic!("{}", code)
}
