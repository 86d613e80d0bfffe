use crate::words::{self, Word};

/// What a word was probably meant to be.
pub(crate) enum Hint {
    Option(&'static Word),
    Advice(&'static str),
    Key,
}

impl Hint {
    /// `name` may be written as other languages do: `lockAtMostFor`.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let name = &in_snake_case(name);
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
        "at_most duration ex expiration expire expire_in expire_time expires expires_after expires_in expiry lease \
         lease_duration lease_time lease_timeout lifetime lock_at_most lock_at_most_for lock_lease lock_ttl px time_to_live",
    ),
    (
        "wait",
        "acquire_timeout acquire_wait blocking_timeout deadline lock_timeout lock_wait max_retries max_wait max_wait_time \
         retries retry retry_count retry_times timeout tries wait_for wait_time wait_timeout wait_up_to",
    ),
    ("max_hold", "limit max_duration max_lease max_lifetime max_ttl"),
    ("linger", "cache cached cooldown grace grace_period idle idle_timeout keep_for sticky"),
    (
        "renew",
        "auto_extend auto_renew auto_renewal extend heartbeat refresh renewal watch_dog watchdog",
    ),
    ("release", "confirm confirmed unlock"),
    ("fairness", "cohort fair fair_lock strict_fifo fifo unfair"),
    ("if_busy", "if_held if_locked on_busy skip skip_if_busy skip_if_locked"),
    ("on_error", "catch err error map_err on_err on_fail on_failure panic"),
    ("on_lost", "finish if_lost lost on_loss"),
    ("hold", "bind fence fencing fencing_token guard lock_guard token"),
    ("manager", "lock_manager locks"),
];

const KEY: &str = "id key keys lock lock_key lock_name name resource";

const ADVICE: Table<11> = [
    (
        "write `on_error = |_| value` to return a value when the lock is not had",
        "default fallback or or_default or_else otherwise",
    ),
    (
        "write `wait = \"0s\"` to try once, or `if_busy = skip` to skip the body",
        "block blocking no_wait non_blocking nonblocking nowait once try try_acquire try_lock try_once",
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
    (
        "every lock re-enters: remove it, or write `reenter = false` for one that does not",
        "nested recursive recursion reentrancy reentrant",
    ),
    (
        "all locks are exclusive: remove it",
        "exclusive flavor flavour kind lock_kind lock_mode lock_type mode read read_lock rw shared type write write_lock",
    ),
    (
        "no option keeps a lock for a shortest time yet: remove it",
        "at_least keep_at_least lock_at_least lock_at_least_for min_duration min_lock min_lock_time",
    ),
    (
        "the server wakes who is next, so nothing is tried again: remove it, and write `wait = \"5s\"` for how long to wait",
        "backoff backoff_factor delay drift_factor interval jitter poll poll_interval retry_delay retry_interval \
         retry_jitter sleep",
    ),
    ("the lock is released when the function ends: remove it", "auto_release auto_unlock"),
    (
        "the arguments are not recorded, so there is nothing to leave out: remove it",
        "fields skip_all skip_args skip_self",
    ),
    (
        "all locks of a manager share it: set it with `LockManager::builder().prefix(…)`",
        "namespace prefix",
    ),
];

fn found<const N: usize>(table: &Table<N>, name: &str) -> Option<&'static str> {
    table.iter().find(|(_, words)| is_among(words, name)).map(|&(meant, _)| meant)
}

// `leaseTime`, `LeaseTime` and `LEASE_TIME` are `lease_time`.
fn in_snake_case(name: &str) -> String {
    let mut snake = String::new();
    let mut after_small = false;
    for letter in name.chars() {
        if letter.is_uppercase() && after_small {
            snake.push('_');
        }
        after_small = letter.is_lowercase() || letter.is_numeric();
        snake.extend(letter.to_lowercase());
    }
    snake
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
