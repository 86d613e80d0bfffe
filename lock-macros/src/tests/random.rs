//! The macro on random input: it never panics. Input that it refuses gets an error on one of its
//! tokens, next to the unchanged item.
//!
//! `PROPTEST_CASES` sets how many inputs each test tries.

mod arguments;
mod input;
mod items;
mod keys;
mod mutation;
mod tokens;
mod valid;

use std::env;

use proptest::test_runner::{Config, TestCaseError, TestCaseResult, TestError, TestRunner};

use proptest::prelude::*;

/// How many inputs each test of an ordinary run tries.
const CASES: u32 = 1024;

/// Tries inputs until one fails, and reports the smallest that does.
fn try_all<T: std::fmt::Debug>(
    inputs: impl Strategy<Value = T>,
    test: impl Fn(T) -> TestCaseResult,
) {
    let default = Config::default();
    let cases = if env::var_os("PROPTEST_CASES").is_some() { default.cases } else { CASES };
    let config = Config { cases, failure_persistence: None, ..default };
    let outcome = TestRunner::new(config).run(&inputs, |input| {
        // The source map would grow with each input.
        proc_macro2::extra::invalidate_current_thread_spans();
        test(input)
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, input)) => panic!("{why}\ninput: {input:#?}"),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

fn fail(why: impl Into<String>) -> TestCaseError {
    TestCaseError::fail(why.into())
}

/// One of these texts.
fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
    prop::sample::select(texts).prop_map(str::to_owned)
}
