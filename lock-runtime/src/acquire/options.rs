//! How a lock is asked for: the settings that the attribute and a request share.

use std::time::Duration;

use crate::error::LockError;
use crate::types::human_duration::HumanDuration;

/// Settings of one call; what is not set comes from the manager.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) ttl: Option<Duration>,
    pub(crate) wait: Option<Duration>,
    pub(crate) max_hold: Option<Duration>,
    pub(crate) linger: Option<Duration>,
    pub(crate) label: Option<&'static str>,
    pub(crate) renew: bool,
    pub(crate) reenter: Option<bool>,
    pub(crate) strict_fifo: bool,
    pub(crate) finish_when_lost: bool,
}

impl Options {
    pub(crate) const DEFAULT: Self = Self {
        ttl: None,
        wait: None,
        max_hold: None,
        linger: None,
        label: None,
        renew: true,
        reenter: None,
        strict_fifo: false,
        finish_when_lost: false,
    };
}

/// The shortest ttl: below it the margin and a round trip leave nothing.
pub(crate) const SHORTEST_TTL: Duration = Duration::from_millis(10);

/// The longest ttl: a crashed holder would block its key for longer than anybody waits, and the server has a bound.
const LONGEST_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

pub(crate) fn check_ttl(ttl: Duration) -> Result<(), LockError> {
    if ttl > LONGEST_TTL {
        let reason = format!(
            "a ttl of {} is too long; set at the most 30 days: a hold that is alive is renewed in time",
            HumanDuration(ttl)
        );
        return Err(LockError::config(reason));
    }
    if ttl < SHORTEST_TTL {
        let reason = format!(
            "a ttl of {} is too short to hold a lock; set at least {}",
            HumanDuration(ttl),
            HumanDuration(SHORTEST_TTL)
        );
        return Err(LockError::config(reason));
    }
    Ok(())
}

/// A hold with this limit: one that is shorter is over before anybody has it.
pub(crate) fn check_max_hold(max_hold: Option<Duration>) -> Result<(), LockError> {
    match max_hold.filter(|&max_hold| max_hold < SHORTEST_TTL) {
        Some(max_hold) => Err(LockError::config(format!(
            "a max_hold of {} ends a hold before it begins; set at least {}",
            HumanDuration(max_hold),
            HumanDuration(SHORTEST_TTL)
        ))),
        None => Ok(()),
    }
}

/// A hold is valid for its ttl without the margin.
pub(crate) fn check_margin(margin: Option<Duration>, ttl: Duration) -> Result<(), LockError> {
    match margin.filter(|&margin| margin >= ttl) {
        Some(margin) => Err(LockError::config(format!(
            "the margin of {} leaves nothing of a ttl of {}; set a longer ttl, or a smaller margin at the manager",
            HumanDuration(margin),
            HumanDuration(ttl)
        ))),
        None => Ok(()),
    }
}

/// The key of a crashed holder lives on for the ttl and the guard.
pub(crate) fn check_guard(guard: Option<Duration>) -> Result<(), LockError> {
    match guard.filter(|&guard| guard > LONGEST_TTL) {
        Some(guard) => Err(LockError::config(format!(
            "a guard of {} is too long; set at the most 30 days, a few seconds are usual",
            HumanDuration(guard)
        ))),
        None => Ok(()),
    }
}
