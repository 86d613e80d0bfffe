//! Checks the server's settings at connect and warns once of those that endanger locks.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::types::printable::printable;
use crate::user_code;

/// Warnings that were logged, so that a reconnect does not repeat them.
static WARNED: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

const UNREADABLE: &str = "cannot tell whether the server may evict locks: the user has no right \
    to run INFO; grant +info, or make sure that maxmemory-policy is noeviction";

/// Logs each warning about INFO once, or that INFO cannot be read.
pub(crate) fn warn_of_hazards(info: Option<&str>) {
    for hazard in warnings(info) {
        let new = WARNED.lock().unwrap_or_else(PoisonError::into_inner).insert(hazard.clone());
        if new {
            user_code::event!(warn, "{hazard}");
        }
    }
}

fn warnings(info: Option<&str>) -> Vec<String> {
    info.map_or_else(|| vec![UNREADABLE.to_owned()], hazards)
}

pub(crate) fn hazards(info: &str) -> Vec<String> {
    let mut found = Vec::new();
    let policy = field(info, "maxmemory_policy").unwrap_or("noeviction");
    if policy != "noeviction" && field(info, "maxmemory") != Some("0") {
        found.push(format!(
            "the server may evict locks: maxmemory-policy is {}, set noeviction",
            printable(policy)
        ));
    }
    found
}

/// A line of INFO.
pub(crate) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'))
}

#[cfg(test)]
mod tests;
