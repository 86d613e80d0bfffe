//! What only edition 2018 allows, or what means something else in it.

use std::error::Error;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use distlock::{LockError, distributed_lock};

use crate::order::block_on;

#[distributed_lock("own:{gen}:{await}", hold = dyn_)]
async fn r#async(gen: u32, r#await: u32) -> Result<String, LockError> {
    Ok(format!("{} {}", dyn_.key(), gen + r#await))
}

#[test]
fn names_that_are_no_words_yet_are_names() {
    crate::support();
    assert_eq!(block_on(r#async(1, 2)).expect("free"), "own:1:2 3");
}

#[allow(bare_trait_objects)]
mod bare {
    use super::*;

    #[distributed_lock("own:bare:object")]
    pub fn object(text: &AsRef<str>) -> Result<Box<Debug + Send>, Box<Error + Send + Sync>> {
        let value: u32 = text.as_ref().parse()?;
        Ok(Box::new(value))
    }

    #[distributed_lock("own:bare:future", on_error = panic)]
    pub fn future<'a>(text: &'a str) -> Pin<Box<Future<Output = bool> + 'a>> {
        Box::pin(async move { held_by(text) })
    }

    // Without a second bound the object looks like a plain path.
    #[distributed_lock("own:bare:path", on_error = panic)]
    pub fn path() -> Pin<Box<Future<Output = bool>>> {
        Box::pin(async { held_by("own:bare:path") })
    }
}

fn held_by(key: &str) -> bool {
    distlock::current().is_some_and(|hold| hold.key() == key)
}

#[test]
fn a_trait_object_needs_no_dyn() {
    crate::support();
    assert_eq!(format!("{:?}", bare::object(&"8").expect("free")), "8");
    assert!(block_on(bare::future("own:bare:future")));
    assert!(block_on(bare::path()));
}

#[allow(non_fmt_panics)]
#[distributed_lock("own:panic", on_error = panic)]
fn panics(text: &str) {
    assert!(!text.is_empty());
    panic!("{text}")
}

#[test]
fn the_only_argument_of_a_panic_is_no_format() {
    crate::support();
    let thrown = std::panic::catch_unwind(|| panics("rendered")).expect_err("it panics");
    assert_eq!(thrown.downcast_ref(), Some(&"{text}"));
}

trait TryInto {
    fn try_into(self) -> &'static str;
}

impl TryInto for &u8 {
    fn try_into(self) -> &'static str {
        "our own"
    }
}

#[allow(array_into_iter, clippy::into_iter_on_ref)]
#[distributed_lock("own:prelude")]
fn methods(list: [u8; 2]) -> Result<(&'static str, u8), LockError> {
    let references: Vec<&u8> = list.into_iter().collect();
    Ok((references[0].try_into(), references.into_iter().sum()))
}

#[test]
fn methods_are_those_of_the_older_prelude() {
    crate::support();
    assert_eq!(methods([1, 2]).expect("free"), ("our own", 3));
}

macro_rules! prefixed {
    ($prefix:ident $text:literal) => {
        concat!(stringify!($prefix), $text)
    };
}

#[distributed_lock("own:prefix")]
async fn prefix() -> Result<&'static str, LockError> {
    Ok(prefixed!(z"one"))
}

#[test]
fn a_name_and_a_literal_stand_together() {
    crate::support();
    assert_eq!(block_on(prefix()).expect("free"), "zone");
}

#[distributed_lock("own:opaque")]
fn lengths(words: &[&str]) -> Result<impl Iterator<Item = usize>, LockError> {
    Ok(words.iter().map(|word| word.len()).collect::<Vec<_>>().into_iter())
}

#[distributed_lock("own:block")]
fn block() -> Result<usize, LockError> {
    let length = { &String::from("text") }.len();
    Ok(length)
}

#[test]
fn an_opaque_type_lets_go_of_its_arguments_and_a_block_keeps_its_temporaries() {
    crate::support();
    let lengths = lengths(&[&String::from("one"), &String::from("three")]).expect("free");
    assert_eq!(lengths.sum::<usize>() + block().expect("free"), 12);
}
