//! A look at the server's settings at connect: what endangers locks is said once.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::printable::printable;
use crate::user_code;

/// Hazards that were warned of, so that a reconnect does not say them again.
static WARNED: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

/// Warns of what INFO says about the server, once each.
pub(super) fn warn_of_hazards(info: &str) {
    for hazard in hazards(info) {
        let new = WARNED.lock().unwrap_or_else(PoisonError::into_inner).insert(hazard.clone());
        if new {
            user_code::event!(warn, "{hazard}");
        }
    }
}

pub(super) fn hazards(info: &str) -> Vec<String> {
    let field = |name: &str| {
        info.lines().find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'))
    };
    let mut found = Vec::new();
    let policy = field("maxmemory_policy").unwrap_or("noeviction");
    if policy != "noeviction" && field("maxmemory") != Some("0") {
        found.push(format!(
            "the server may evict locks: maxmemory-policy is {}, set noeviction",
            printable(policy)
        ));
    }
    if field("role").is_some_and(|role| role == "slave") {
        found.push(
            "the server is a replica and will refuse locks: connect to its primary".to_owned(),
        );
    }
    if let Some(version) = field("redis_version").filter(|version| is_before_6_2(version)) {
        let version = printable(version);
        found.push(format!("the server is Redis {version}: locks need the commands of 6.2"));
    }
    found
}

fn is_before_6_2(version: &str) -> bool {
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < (6, 2)
}

#[cfg(test)]
mod tests {
    use super::hazards;

    #[test]
    fn a_server_that_evicts_is_named_and_a_plain_one_is_not() {
        let safe = "redis_version:7.0.15\r\nrole:master\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n";
        assert_eq!(hazards(safe), Vec::<String>::new());
        let bad = "redis_version:5.0.1\r\nrole:slave\r\nmaxmemory:100\r\nmaxmemory_policy:allkeys-lru\r\n";
        let found = hazards(bad);
        assert_eq!(found.len(), 3);
        assert!(
            found[0].contains("allkeys-lru")
                && found[1].contains("primary")
                && found[2].contains("6.2")
        );
    }
}
