//! The names of the options, and what other names were probably meant to be.

use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::token::Paren;
use syn::{Error, Ident, LitStr, Token};

use crate::errors;

#[cfg(test)]
mod tests;

/// An option, with the use that errors show.
pub(crate) struct OptionInfo {
    pub(crate) name: &'static str,
    pub(crate) example: &'static str,
}

#[rustfmt::skip]
const OPTIONS: [OptionInfo; 18] = [
    OptionInfo { name: "ttl", example: "ttl = \"30s\"" },
    OptionInfo { name: "wait", example: "wait = \"5s\"" },
    OptionInfo { name: "max_hold", example: "max_hold = \"5m\"" },
    OptionInfo { name: "min_hold", example: "min_hold = \"30s\"" },
    OptionInfo { name: "replicas", example: "replicas = 1" },
    OptionInfo { name: "confirm", example: "confirm = \"1s\"" },
    OptionInfo { name: "linger", example: "linger = \"50ms\"" },
    OptionInfo { name: "renew", example: "renew = false" },
    OptionInfo { name: "reenter", example: "reenter = false" },
    OptionInfo { name: "release", example: "release = confirmed" },
    OptionInfo { name: "fairness", example: "fairness = strict" },
    OptionInfo { name: "if_busy", example: "if_busy = skip" },
    OptionInfo { name: "on_error", example: "on_error = panic" },
    OptionInfo { name: "on_lost", example: "on_lost = finish" },
    OptionInfo { name: "prefix", example: "prefix = \"shop:\"" },
    OptionInfo { name: "hold", example: "hold = hold" },
    OptionInfo { name: "manager", example: "manager = self.locks" },
    OptionInfo { name: "crate", example: "crate = my_crate::distlock" },
];

/// What was meant, and the words for it, separated by spaces.
type Table<const N: usize> = [(&'static str, &'static str); N];

/// An option, and the words for it in other lock libraries and in plain language.
#[rustfmt::skip]
const SYNONYMS: Table<16> = [
    ("ttl", "at_most duration ex expiration expire expire_in expire_time expires expires_after \
             expires_in expiry lease lease_duration lease_time lease_timeout lifetime \
             lock_at_most lock_at_most_for lock_lease lock_ttl px time_to_live"),
    ("wait", "acquire_timeout acquire_wait blocking_timeout deadline lock_timeout lock_wait \
              max_retries max_wait max_wait_time retries retry retry_count retry_times timeout \
              tries wait_for wait_time wait_timeout wait_up_to"),
    ("max_hold", "limit max_duration max_lease max_lifetime max_ttl"),
    ("min_hold", "at_least keep_at_least lock_at_least lock_at_least_for min_duration min_lock \
                  min_lock_time"),
    ("linger", "cache cached cooldown grace grace_period idle idle_timeout keep_for sticky"),
    ("renew", "auto_extend auto_renew auto_renewal extend heartbeat refresh renewal watch_dog \
               watchdog"),
    ("replicas", "acks min_replicas n_replicas num_replicas replica replication sync_replicas"),
    ("confirm", "ack_timeout confirm_timeout replica_timeout replication_timeout sync_timeout"),
    ("release", "confirmed release_confirmed unlock wait_for_release"),
    ("fairness", "cohort fair fair_lock fairness_global fifo strict strict_fifo unfair"),
    ("if_busy", "if_held if_locked on_busy skip skip_if_busy skip_if_locked"),
    ("on_error", "catch err error map_err on_err on_fail on_failure panic"),
    ("on_lost", "finish if_lost lost on_loss"),
    ("hold", "bind fence fencing fencing_token guard lock_guard token"),
    ("prefix", "key_prefix namespace"),
    ("manager", "lock_manager locks"),
];

/// Words for the key.
const KEY: &str = "id key keys lock lock_key lock_name name resource";

/// What to write in place of words that mean no option.
#[rustfmt::skip]
const ADVICE: Table<9> = [
    ("write `if_busy = |_| value` to return a value while the lock is held, or `on_error = |_| \
      value` for every error",
     "default fallback or or_default or_else otherwise"),
    ("write `wait = \"0s\"` to try once, or `if_busy = skip` to skip the body",
     "block blocking no_wait non_blocking nonblocking nowait once try try_acquire try_lock \
      try_once"),
    ("the server is that of DISTLOCK_URL; for another make a `LockManager` once and write \
      `manager = self.locks`",
     "client conn connection host pool redis server url"),
    ("a hold is renewed unless you write `renew = false`; to keep it for a while after the \
      function write `linger = \"50ms\"`",
     "keep_alive keepalive"),
    ("every lock re-enters: remove it, or write `reenter = false` for one that does not",
     "nested recursive recursion reentrancy reentrant"),
    ("all locks are exclusive: remove it",
     "exclusive flavor flavour kind lock_kind lock_mode lock_type mode read read_lock rw shared \
      type write write_lock"),
    ("the server wakes who is next, so nothing is tried again: remove it, and write \
      `wait = \"5s\"` for how long to wait",
     "backoff backoff_factor delay drift_factor interval jitter poll poll_interval retry_delay \
      retry_interval retry_jitter sleep"),
    ("the lock is released when the function ends: remove it", "auto_release auto_unlock"),
    ("the arguments are not recorded, so there is nothing to leave out: remove it",
     "fields skip_all skip_args skip_self"),
];

/// The option of this name.
pub(crate) fn option(name: &str) -> Option<&'static OptionInfo> {
    OPTIONS.iter().find(|option| option.name == name)
}

pub(crate) fn is_reserved(name: &Ident) -> bool {
    option(&name.to_string()).is_some()
}

/// Whether it is a word for the key.
pub(crate) fn is_key(name: &Ident) -> bool {
    is_among(KEY, &snake_case(&name.to_string()))
}

/// Whether it is an option, or was meant to be one.
pub(crate) fn is_option_like(name: &Ident) -> bool {
    let suggestion = Suggestion::of(&name.to_string());
    is_reserved(name) || matches!(suggestion, Some(Suggestion::Option(_) | Suggestion::Advice(_)))
}

/// The error for a name that is no option; `rest` is what follows it.
pub(crate) fn not_an_option(name: &Ident, rest: ParseStream<'_>) -> Error {
    let is_closure = rest.peek2(Token![|]) || rest.peek2(Token![||]) || rest.peek2(Token![move]);
    let suggestion = Suggestion::of(&name.unraw().to_string());
    match suggestion {
        Some(Suggestion::Option(OptionInfo { name: "if_busy", .. })) if is_closure => {
            errors::did_you_mean(name, name, "if_busy", "if_busy = |busy| expr")
        }
        _ if name == "skip" && rest.peek(Paren) => {
            let advice = "the arguments are not recorded, so there is nothing to skip: remove it";
            errors::advice(name, name, advice)
        }
        Some(Suggestion::Option(option)) => {
            errors::did_you_mean(name, name, option.name, option.example)
        }
        Some(Suggestion::Advice(advice)) => errors::advice(name, name, advice),
        Some(Suggestion::Key) if rest.peek2(LitStr) => errors::key_as_option(name, name),
        _ if name == "key" || name == "keys" => errors::second_key(name, name),
        Some(Suggestion::Key) | None => {
            let options = OPTIONS.map(|option| format!("`{}`", option.name)).join(", ");
            errors::unknown_option(name, name, options)
        }
    }
}

/// What a name was probably meant to be.
enum Suggestion {
    Option(&'static OptionInfo),
    Advice(&'static str),
    Key,
}

impl Suggestion {
    fn of(name: &str) -> Option<Self> {
        let name = &snake_case(name);
        if is_among(KEY, name) {
            Some(Self::Key)
        } else if let Some(advice) = find(&ADVICE, name) {
            Some(Self::Advice(advice))
        } else {
            let synonym = find(&SYNONYMS, name).and_then(option);
            synonym.or_else(|| nearest(name)).map(Self::Option)
        }
    }
}

fn find<const N: usize>(table: &Table<N>, name: &str) -> Option<&'static str> {
    table.iter().find(|(_, words)| is_among(words, name)).map(|&(meant, _)| meant)
}

fn is_among(words: &str, name: &str) -> bool {
    words.split(' ').any(|word| word == name)
}

// `leaseTime`, `LeaseTime` and `LEASE_TIME` are `lease_time`.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    let mut after_lowercase = false;
    for letter in name.chars() {
        if letter.is_uppercase() && after_lowercase {
            snake.push('_');
        }
        after_lowercase = letter.is_lowercase() || letter.is_numeric();
        snake.extend(letter.to_lowercase());
    }
    snake
}

// The option that the name is a misspelling of: less than half of the letters are wrong.
fn nearest(name: &str) -> Option<&'static OptionInfo> {
    let distance = |option: &&OptionInfo| strsim::osa_distance(name, option.name);
    let nearest = OPTIONS.iter().min_by_key(distance)?;
    (distance(&nearest) * 2 < name.len().max(4)).then_some(nearest)
}
