//! What edition 2024 brought.

use std::cell::RefCell;

use distlock::{LockError, distributed_lock};

use crate::order::block_on;

#[distributed_lock("own:{gen}", hold = hold)]
async fn r#gen(r#gen: u32) -> Result<String, LockError> {
    Ok(format!("{} {gen}", hold.key()))
}

#[test]
fn a_new_word_is_still_a_raw_name() {
    crate::support();
    assert_eq!(block_on(r#gen(1)).expect("free"), "own:1 1");
}

// Before 2024 the borrow outlived the cell and none of these compiled.
#[distributed_lock("own:tail")]
fn tail() -> Result<usize, LockError> {
    let cell = RefCell::new(vec![1]);
    Ok(cell.borrow().len())
}

#[distributed_lock("own:tail", on_error = panic)]
fn plain_tail() -> usize {
    let cell = RefCell::new(vec![1]);
    cell.borrow().len()
}

#[distributed_lock("own:tail", on_error = panic)]
async fn tail_async() -> usize {
    let cell = RefCell::new(vec![1]);
    cell.borrow().len()
}

#[test]
fn temporaries_of_the_last_expression_do_not_outlive_the_locals() {
    crate::support();
    assert_eq!((tail().expect("free"), plain_tail(), block_on(tail_async())), (1, 1, 1));
}

// Before 2024 the scrutinee's borrow was held in the `else` too, and the second one panicked.
#[distributed_lock("own:else")]
fn push_unless_full(cell: &RefCell<Vec<u32>>) -> Result<usize, LockError> {
    if let Some(full) = cell.borrow().get(1) {
        Ok(*full as usize)
    } else {
        cell.borrow_mut().push(7);
        Ok(0)
    }
}

// A chain of `let` is an error before 2024.
#[distributed_lock("own:chain")]
async fn chain(text: Option<&str>) -> Result<u32, LockError> {
    if let Some(text) = text
        && let Ok(number) = text.parse()
    {
        return Ok(number);
    }
    Ok(0)
}

#[test]
fn an_if_let_holds_nothing_in_its_else_and_chains() {
    crate::support();
    let cell = RefCell::new(vec![6]);
    assert_eq!(push_unless_full(&cell).expect("free"), 0);
    assert_eq!(push_unless_full(&cell).expect("free"), 7);
    assert_eq!(block_on(chain(Some("5"))).expect("free"), 5);
    assert_eq!(block_on(chain(Some("five"))).expect("free"), 0);
}

#[distributed_lock("own:captures")]
fn words(text: &str, least: &usize) -> Result<impl Iterator<Item = String>, LockError> {
    Ok(text.split(' ').filter(|word| word.len() > *least).map(str::to_owned))
}

#[distributed_lock("own:precise")]
fn lengths<'a>(
    text: &'a str,
    least: &usize,
) -> Result<impl Iterator<Item = usize> + use<'a>, LockError> {
    let least = *least;
    Ok(text.split(' ').map(str::len).filter(move |length| *length > least))
}

#[distributed_lock("own:precise:future")]
fn owned(text: String) -> impl Future<Output = Result<usize, LockError>> + use<> {
    async move { Ok(text.len()) }
}

#[test]
fn an_opaque_type_holds_what_its_edition_and_its_use_say() {
    crate::support();
    assert_eq!(words("a bc def", &1).expect("free").collect::<Vec<_>>(), ["bc", "def"]);
    let lengths = {
        let least = 1;
        lengths("a bc def", &least).expect("free")
    };
    assert_eq!(lengths.sum::<usize>(), 5);
    assert_eq!(block_on(owned("text".to_owned())).expect("free"), 4);
}

macro_rules! constant {
    ($value:expr) => {
        $value
    };
}

#[distributed_lock("own:prelude")]
fn prelude(list: Box<[String]>) -> Result<String, LockError> {
    let text: Vec<String> = list.into_iter().collect();
    Ok(constant!(const { "list " }).to_owned() + &text.concat())
}

#[test]
fn boxed_slices_and_fragments_are_those_of_the_edition() {
    crate::support();
    let list = ["a", "b"].map(str::to_owned);
    assert_eq!(prelude(Box::new(list)).expect("free"), "list ab");
}
