use std::error::Error as StdError;
use std::task::Poll;

use distlock::{LockError, distributed_lock};

use super::support::{Error, support};

// 1
#[distributed_lock("values:plain")]
fn plain() -> Result<(), Error> {
    Ok(())
}

#[test]
fn a_function_without_arguments_returns_its_result() {
    support();
    assert!(plain().is_ok());
}

// 2
#[distributed_lock("values:id:{id}")]
fn doubled(id: u32) -> Result<u32, Error> {
    if id == 0 {
        return Err(Error::Own("zero"));
    }
    Ok(id * 2)
}

#[test]
fn a_key_names_an_argument_that_the_body_still_has() {
    support();
    assert_eq!(doubled(4).expect("free"), 8);
    assert!(matches!(doubled(0), Err(Error::Own("zero"))));
}

// 3
#[distributed_lock("values:unit", on_error = panic)]
fn unit(count: &mut u32) {
    *count += 1;
}

#[distributed_lock("values:unit", on_error = |err| eprintln!("{err}"))]
fn unit_logged(count: &mut u32) {
    if *count > 1 {
        return;
    }
    *count += 1;
}

#[test]
fn a_unit_function_takes_an_explicit_policy() {
    support();
    let mut count = 0;
    unit(&mut count);
    unit_logged(&mut count);
    unit_logged(&mut count);
    assert_eq!(count, 2);
}

// 4
#[distributed_lock("values:number", on_error = panic)]
fn clamped(value: i64) -> i64 {
    if value < 0 {
        return 0;
    }
    value
}

#[distributed_lock("values:number", on_error = |_| -1)]
fn or_minus_one(value: i64) -> i64 {
    value
}

#[test]
fn a_plain_value_returns_early_or_late() {
    support();
    assert_eq!((clamped(-3), clamped(3), or_minus_one(5)), (0, 3, 5));
}

// 5
#[distributed_lock("values:never", on_error = panic)]
fn never(text: &str) -> ! {
    panic!("{text}")
}

#[distributed_lock("values:never", on_error = |err| panic!("{err}"))]
fn never_handled(text: &str) -> ! {
    loop {
        assert!(text.is_empty(), "{text}");
    }
}

#[test]
fn a_diverging_function_diverges() {
    support();
    assert!(std::panic::catch_unwind(|| never("out")).is_err());
    assert!(std::panic::catch_unwind(|| never_handled("out")).is_err());
}

// 6
#[distributed_lock("values:option", if_busy = skip, on_error = |_| None)]
fn first_char(text: &str) -> Option<char> {
    let first = text.chars().next()?;
    Some(first)
}

#[test]
fn a_question_mark_on_an_option_leaves_the_body() {
    support();
    assert_eq!((first_char("abc"), first_char("")), (Some('a'), None));
}

// 7
#[distributed_lock("values:poll", on_error = panic)]
fn poll(ready: bool) -> Poll<u8> {
    if ready { Poll::Ready(1) } else { Poll::Pending }
}

#[test]
fn a_poll_is_a_plain_value() {
    support();
    assert_eq!((poll(true), poll(false)), (Poll::Ready(1), Poll::Pending));
}

// 8
#[distributed_lock("values:anyhow")]
fn parsed(text: &str) -> anyhow::Result<u8> {
    let value = text.parse::<u8>()?;
    anyhow::ensure!(value > 1, "too small");
    Ok(value)
}

#[test]
fn an_alias_of_result_with_one_parameter_is_seen_through() {
    support();
    assert_eq!(parsed("7").expect("free"), 7);
    assert!(parsed("x").is_err() && parsed("0").is_err());
}

// 9
#[distributed_lock("values:boxed")]
fn boxed(text: &str) -> Result<u8, Box<dyn StdError + Send + Sync>> {
    let value: u8 = text.parse()?;
    if value == 0 {
        return Err("zero".into());
    }
    Ok(value)
}

#[test]
fn a_boxed_error_takes_foreign_errors_and_text() {
    support();
    assert_eq!(boxed("7").expect("free"), 7);
    assert_eq!(boxed("0").expect_err("refused").to_string(), "zero");
}

// 10
#[derive(Debug, thiserror::Error)]
enum Derived {
    #[error("lock")]
    Lock(#[from] LockError),
    #[error("number")]
    Number(#[from] std::num::ParseIntError),
}

#[distributed_lock("values:derived")]
fn derived(text: &str) -> Result<u8, Derived> {
    Ok(text.parse()?)
}

#[distributed_lock("values:io")]
fn io(text: &str) -> std::io::Result<usize> {
    Ok(text.len())
}

#[test]
fn a_derived_error_with_a_lock_variant_takes_the_failure() {
    support();
    assert_eq!(derived("7").expect("free"), 7);
    assert!(matches!(derived("x"), Err(Derived::Number(_))));
    assert_eq!(io("ab").expect("free"), 2);
    let _ = Derived::Lock;
}

// 15
#[distributed_lock("values:collect")]
fn collected(texts: &[&str]) -> Result<Vec<u8>, Derived> {
    texts.iter().map(|text| text.parse().map_err(Derived::from)).collect()
}

#[test]
fn a_tail_expression_is_inferred_from_the_return_type() {
    support();
    assert_eq!(collected(&["1", "2"]).expect("free"), [1, 2]);
}
