//! What edition 2021 brought, and what it has left behind in 2024.

use distlock::{LockError, distributed_lock};

use crate::order::block_on;

#[distributed_lock("own:{gen}", hold = hold)]
async fn gen(gen: u32) -> Result<String, LockError> {
    Ok(format!("{} {gen}", hold.key()))
}

#[test]
fn names_that_are_no_words_yet_are_names() {
    crate::support();
    assert_eq!(block_on(gen(1)).expect("free"), "own:1 1");
}

struct Pair {
    left: Vec<u32>,
    right: Vec<u32>,
}

impl Pair {
    #[distributed_lock("own:pair")]
    fn fill(&mut self) -> Result<&mut Vec<u32>, LockError> {
        let right = &mut self.right;
        let mut take = || right.push(self.left.pop().unwrap_or_default());
        take();
        take();
        Ok(&mut self.left)
    }

    #[distributed_lock("own:pair")]
    async fn fill_async(&mut self) -> Result<&mut Vec<u32>, LockError> {
        let right = &mut self.right;
        let mut take = async || right.push(self.left.pop().unwrap_or_default());
        take().await;
        take().await;
        Ok(&mut self.left)
    }
}

#[test]
fn a_closure_in_the_body_borrows_single_fields() {
    crate::support();
    let mut pair = Pair { left: vec![1, 2, 3, 4, 5], right: Vec::new() };
    pair.fill().expect("free").push(6);
    block_on(pair.fill_async()).expect("free").push(7);
    assert_eq!((pair.left, pair.right), (vec![1, 2, 7], vec![5, 4, 6, 3]));
}

#[distributed_lock("own:panic", on_error = panic)]
fn panics(text: &str) {
    panic!("{text}")
}

#[test]
fn the_only_argument_of_a_panic_is_a_format() {
    crate::support();
    let thrown = std::panic::catch_unwind(|| panics("rendered")).expect_err("it panics");
    assert_eq!(thrown.downcast_ref(), Some(&"rendered".to_owned()));
}

macro_rules! either {
    ($value:expr, $pattern:pat) => {
        matches!($value, $pattern)
    };
}

#[distributed_lock("own:prelude")]
fn prelude(list: [u64; 2]) -> Result<(u8, bool, usize), LockError> {
    let sum: u64 = list.into_iter().sum();
    let small = u8::try_from(sum).unwrap_or(u8::MAX);
    Ok((small, either!(small, 1 | 3), c"text".count_bytes()))
}

#[test]
fn arrays_patterns_literals_and_the_prelude_are_those_of_the_edition() {
    crate::support();
    assert_eq!(prelude([1, 2]).expect("free"), (3, true, 4));
}

#[distributed_lock("own:opaque")]
fn lengths(words: &[&str]) -> Result<impl Iterator<Item = usize>, LockError> {
    Ok(words.iter().map(|word| word.len()).collect::<Vec<_>>().into_iter())
}

#[distributed_lock("own:block")]
async fn block() -> Result<usize, LockError> {
    let length = { &String::from("text") }.len();
    Ok(length)
}

#[test]
fn an_opaque_type_lets_go_of_its_arguments_and_a_block_keeps_its_temporaries() {
    crate::support();
    let lengths = lengths(&[&String::from("one"), &String::from("three")]).expect("free");
    assert_eq!(lengths.sum::<usize>() + block_on(block()).expect("free"), 12);
}
