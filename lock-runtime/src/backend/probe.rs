//! A look at the server's settings at connect: what endangers locks is said once.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::types::printable::printable;
use crate::user_code;

/// Hazards that were warned of, so that a reconnect does not say them again.
static WARNED: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

const UNREADABLE: &str = "cannot tell whether the server may evict locks: the user has no right to run INFO; grant +info, or make \
                          sure that maxmemory-policy is noeviction";

/// Warns of what INFO says about the server, once each; of INFO itself if the user may not read it.
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
mod tests {
    use super::{hazards, warnings};

    #[test]
    fn a_server_that_denies_info_is_said_to_be_unknown() {
        let found = warnings(None);
        assert!(found.len() == 1 && found[0].contains("cannot tell"), "{found:?}");
        assert_eq!(warnings(Some("maxmemory:0\r\n")), Vec::<String>::new());
    }

    #[test]
    fn a_server_that_evicts_is_named_and_a_plain_one_is_not() {
        let safe = "redis_version:7.0.15\r\nrole:master\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n";
        assert_eq!(hazards(safe), Vec::<String>::new());
        let bad = "maxmemory:100\r\nmaxmemory_policy:allkeys-lru\r\n";
        let found = hazards(bad);
        assert!(found.len() == 1 && found[0].contains("allkeys-lru"), "{found:?}");
    }
}
