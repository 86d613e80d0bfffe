//! The attribute in a crate of edition 2018: the functions that all editions share, and what is
//! only in this one.
#![forbid(unsafe_code)]
#![deny(warnings, rust_2018_idioms)]

#[path = "../../everyday.rs"]
mod everyday;
#[path = "../../order.rs"]
mod order;

mod own;

// The orders of `order.rs` in this edition.
const TAIL: [&str; 2] = ["local", "temporary"];
const RESCOPE: [&str; 2] = ["else", "scrutinee"];
const CAPTURE: [&str; 3] = ["left", "right", "after"];

/// Points the process at the in-process store; only the first call counts.
fn support() {
    let manager = distlock::LockManager::connect("memory://");
    let _ = distlock::init(manager.expect("the in-process store needs no server"));
}
