//! A body of any length is not changed.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;

fn function(lines: usize) -> TokenStream {
    let mut text = String::from("fn long(mut value: u64) -> Result<u64, Error> {\n");
    for line in 0..lines {
        writeln!(text, "    value = value.wrapping_mul({line}) + (value >> 3);")
            .expect("memory suffices");
    }
    text.push_str("    Ok(value)\n}\n");
    text.parse().expect("a function")
}

fn last_group(tokens: TokenStream) -> TokenStream {
    match tokens.into_iter().last() {
        Some(TokenTree::Group(group)) => group.stream(),
        other => panic!("a group at the end, not {other:?}"),
    }
}

#[test]
fn the_tokens_of_a_long_body_are_unchanged() {
    let function = function(10_000);
    let body = last_group(function.clone()).to_string();
    // The body is the last group in `run(|| -> R { … })`, the last group of the function.
    let output = crate::expand_or_error(quote!("key"), function);
    let run = last_group(last_group(output));
    assert_eq!(last_group(run).to_string(), body);
}

/// The shortest of several runs, which other work on the machine disturbed the least.
fn time(lines: usize) -> Duration {
    let function = function(lines);
    let runs = (0..7).map(|_| {
        let function = function.clone();
        let start = Instant::now();
        black_box(crate::expand_or_error(quote!("key:{value}"), black_box(function)));
        start.elapsed()
    });
    runs.min().expect("there are seven")
}

#[test]
fn the_time_for_a_body_is_linear_in_its_length() {
    let (short, long) = (time(2_500), time(10_000));
    println!("{short:?} for 2,500 lines, {long:?} for 10,000");
    // Four times the lines; a quadratic step would take sixteen times as long.
    assert!(long < short * 10 + Duration::from_millis(2), "{short:?} and {long:?}");
}
