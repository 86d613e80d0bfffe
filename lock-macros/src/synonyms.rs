use crate::words::{self, Word};

/// What a word was probably meant to be.
pub(crate) enum Hint {
    Option(&'static Word),
    Advice(&'static str),
    Key,
}

impl Hint {
    pub(crate) fn of(name: &str) -> Option<Self> {
        if is_among(KEY, name) {
            return Some(Self::Key);
        }
        let advice = found(&ADVICE, name).map(Self::Advice);
        let option = || found(&SYNONYMS, name).and_then(words::named).map(Self::Option);
        advice.or_else(option).or_else(|| words::nearest(name).map(Self::Option))
    }
}

/// What was meant, and the words for it, with spaces between.
type Table<const N: usize> = [(&'static str, &'static str); N];

/// The words of other lock libraries and of plain language, by the option that stands for them here.
const SYNONYMS: Table<12> = [
    (
        "ttl",
        "duration ex expiration expire expires expires_in expiry lease lease_duration lease_time lifetime px",
    ),
    (
        "wait",
        "acquire_timeout deadline lock_timeout max_wait retries retry retry_count timeout tries wait_for wait_time \
         wait_timeout",
    ),
    ("max_hold", "limit max_duration max_lease max_lifetime max_ttl"),
    ("linger", "cache cached cooldown grace grace_period idle idle_timeout keep_for sticky"),
    ("renew", "auto_renew extend heartbeat refresh watchdog"),
    ("release", "confirm confirmed unlock"),
    ("fairness", "cohort fair fair_lock fairness_global fifo unfair"),
    ("if_busy", "if_held if_locked on_busy skip skip_if_busy skip_if_locked"),
    ("on_error", "catch err error map_err on_err on_fail on_failure panic"),
    ("on_lost", "finish if_lost lost on_loss"),
    ("hold", "bind fence fencing fencing_token guard lock_guard token"),
    ("manager", "lock_manager locks"),
];

const KEY: &str = "id key keys lock lock_key lock_name name resource";

const ADVICE: Table<6> = [
    (
        "write `on_error = |_| value` to return a value when the lock is not had",
        "default fallback or or_default or_else otherwise",
    ),
    (
        "write `wait = \"0s\"` to try once, or `if_busy = skip` to skip the body",
        "block blocking no_wait non_blocking nonblocking nowait once try try_once",
    ),
    (
        "the server is that of DISTLOCK_URL; for another make a `LockManager` once and write `manager = self.locks`",
        "client conn connection host pool redis server url",
    ),
    (
        "a hold is renewed unless you write `renew = false`; to keep it for a while after the function write \
         `linger = \"50ms\"`",
        "keep_alive keepalive",
    ),
    ("every lock re-enters: remove it", "nested recursive reentrant"),
    (
        "all locks of a manager share it: set it with `LockManager::builder().prefix(…)`",
        "namespace prefix",
    ),
];

fn found<const N: usize>(table: &Table<N>, name: &str) -> Option<&'static str> {
    table.iter().find(|(_, words)| is_among(words, name)).map(|&(meant, _)| meant)
}

fn is_among(words: &str, name: &str) -> bool {
    words.split(' ').any(|word| word == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_synonym_stands_for_an_option_and_is_none_itself() {
        for (meant, words) in SYNONYMS {
            assert!(words::named(meant).is_some(), "{meant}");
            assert!(words.split(' ').all(|word| words::named(word).is_none()), "{words}");
        }
    }

    #[test]
    fn a_word_is_listed_once() {
        let lists = SYNONYMS.iter().chain(&ADVICE).map(|(_, words)| *words).chain([KEY]);
        let mut words: Vec<&str> = lists.flat_map(|words| words.split(' ')).collect();
        let listed = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), listed);
    }
}
