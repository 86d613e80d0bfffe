//! The macro on random input: whatever is written, it does not panic, and what it cannot use it refuses with an error on a
//! token of the input, beside the item as it was.
//!
//! `PROPTEST_CASES` sets how many inputs each test tries.

mod arguments;
mod attempt;
mod items;
mod mutation;
mod soup;
mod templates;
mod valid;

use std::env;

use proptest::test_runner::{Config, TestCaseError, TestCaseResult, TestError, TestRunner};

use proptest::prelude::*;

/// As many inputs as a run of all tests has time for.
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
        // The places of tokens are kept for good otherwise.
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
