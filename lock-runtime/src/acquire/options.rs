//! The options of a call, and the limits of their values.

use std::time::Duration;

use crate::error::LockError;
use crate::types::text::HumanDuration;

/// The options of one call. The manager's defaults apply where they are `None`.
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

    /// How long to wait. `None` waits without a limit.
    pub(crate) fn effective_wait(&self, defaults: &Self) -> Option<Duration> {
        self.wait.or(defaults.wait)
    }

    /// Whether requests bypass the local queue, and leases are not handed off.
    pub(crate) fn is_strict_fifo(&self, defaults: &Self) -> bool {
        self.strict_fifo || defaults.strict_fifo
    }

    /// Whether a call inside of a lease of its key re-enters it.
    pub(crate) fn may_reenter(&self, defaults: &Self) -> bool {
        self.reenter.or(defaults.reenter).unwrap_or(true)
    }
}

/// A shorter ttl would be used up by the clock margin and one round trip.
pub(crate) const MIN_TTL: Duration = Duration::from_millis(10);

/// A crashed holder blocks its key for its ttl. The server limits it too.
const MAX_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

pub(crate) fn check_ttl(ttl: Duration) -> Result<(), LockError> {
    if ttl > MAX_TTL {
        let reason = format!(
            "a ttl of {} is too long; set at most 30 days; a held lock is renewed in time",
            HumanDuration(ttl)
        );
        return Err(LockError::config(reason));
    }
    if ttl < MIN_TTL {
        let reason = format!(
            "a ttl of {} is too short to hold a lock; set at least {}",
            HumanDuration(ttl),
            HumanDuration(MIN_TTL)
        );
        return Err(LockError::config(reason));
    }
    Ok(())
}

pub(crate) fn check_max_hold(max_hold: Option<Duration>) -> Result<(), LockError> {
    match max_hold.filter(|&max_hold| max_hold < MIN_TTL) {
        Some(max_hold) => Err(LockError::config(format!(
            "a max_hold of {} is too short to hold a lock; set at least {}",
            HumanDuration(max_hold),
            HumanDuration(MIN_TTL)
        ))),
        None => Ok(()),
    }
}

/// A lease is valid for its ttl minus the margin.
pub(crate) fn check_clock_margin(margin: Option<Duration>, ttl: Duration) -> Result<(), LockError> {
    match margin.filter(|&margin| margin >= ttl) {
        Some(margin) => Err(LockError::config(format!(
            "the clock margin of {} is not shorter than the ttl of {}; set a longer ttl, or a \
             shorter clock_margin for the manager",
            HumanDuration(margin),
            HumanDuration(ttl)
        ))),
        None => Ok(()),
    }
}

/// The key of a crashed holder expires after the ttl plus the slack.
pub(crate) fn check_server_ttl_slack(slack: Option<Duration>) -> Result<(), LockError> {
    match slack.filter(|&slack| slack > MAX_TTL) {
        Some(slack) => Err(LockError::config(format!(
            "a server_ttl_slack of {} is too long; set at most 30 days, a few seconds are usual",
            HumanDuration(slack)
        ))),
        None => Ok(()),
    }
}
