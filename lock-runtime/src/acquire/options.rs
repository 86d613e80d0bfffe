//! The options of a call, and the limits of their values.

use std::time::Duration;

use crate::error::LockError;
use crate::types::replicas::Replicas;
use crate::types::text::HumanDuration;

/// The options of one call, as the attribute and [`LockRequest`](crate::LockRequest) describe them.
/// The manager's defaults apply where they are `None`.
///
/// The output of the attribute contains a constant of this type.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they do not depend on one another")]
pub struct Options {
    /// The ttl of the hold.
    pub ttl: Option<Duration>,
    /// How long to wait. Zero tries once.
    pub wait: Option<Duration>,
    /// The longest duration of the hold, including renewals.
    pub max_hold: Option<Duration>,
    /// How long the key stays taken at least. Zero if it does not.
    pub min_hold: Option<Duration>,
    /// Which replicas have to confirm the grant.
    pub replicas: Option<Replicas>,
    /// How long a grant waits for them.
    pub confirm: Option<Duration>,
    /// How long the process keeps the hold after its last section.
    pub linger: Option<Duration>,
    /// A text for others to read.
    pub label: Option<&'static str>,
    /// Whether the hold is renewed.
    pub renew: bool,
    /// Whether it re-enters a hold of its key.
    pub reenter: Option<bool>,
    /// `fairness = strict`
    pub strict_fifo: bool,
    /// `on_lost = finish`
    pub finish_when_lost: bool,
    /// `hold = [from, to]`: the keys stay in the order of their list.
    pub hold_each: bool,
}

impl Options {
    /// Those of the manager.
    pub const DEFAULT: Self = Self {
        ttl: None,
        wait: None,
        max_hold: None,
        min_hold: None,
        replicas: None,
        confirm: None,
        linger: None,
        label: None,
        renew: true,
        reenter: None,
        strict_fifo: false,
        finish_when_lost: false,
        hold_each: false,
    };

    /// How long to wait. `None` waits without a limit.
    pub(crate) fn effective_wait(&self, defaults: &Self) -> Option<Duration> {
        self.wait.or(defaults.wait)
    }

    /// Whether the call fails at once if the lock is held.
    pub(crate) fn tries_once(&self, defaults: &Self) -> bool {
        self.effective_wait(defaults) == Some(Duration::ZERO)
    }

    /// How long the key stays taken at least, if it does.
    pub(crate) fn effective_min_hold(&self, defaults: &Self) -> Option<Duration> {
        self.min_hold.or(defaults.min_hold).filter(|min_hold| !min_hold.is_zero())
    }

    /// Which replicas have to confirm the grant.
    pub(crate) fn effective_replicas(&self, defaults: &Self) -> Replicas {
        self.replicas.or(defaults.replicas).unwrap_or(Replicas::None)
    }

    /// How long a grant waits for replicas.
    pub(crate) fn effective_confirm(&self, defaults: &Self) -> Duration {
        self.confirm.or(defaults.confirm).unwrap_or(DEFAULT_CONFIRM)
    }

    /// Whether each request asks the server itself, and leases are not handed off.
    pub(crate) fn is_strict_fifo(&self, defaults: &Self) -> bool {
        self.strict_fifo || defaults.strict_fifo
    }

    /// Whether a call inside of a lease of its key re-enters it.
    pub(crate) fn may_reenter(&self, defaults: &Self) -> bool {
        self.reenter.or(defaults.reenter).unwrap_or(true)
    }
}

/// Enough for replicas that are connected, and short for callers if one has just gone.
const DEFAULT_CONFIRM: Duration = Duration::from_secs(1);

/// A shorter ttl would be used up by the clock margin and one round trip.
pub(crate) const MIN_TTL: Duration = Duration::from_millis(10);

/// A crashed holder blocks its key for its ttl. The server limits it too.
const MAX_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

pub(crate) fn check_ttl(ttl: Duration) -> Result<(), LockError> {
    if ttl > MAX_TTL {
        let reason = "set at most 30 days; a held lock is renewed in time";
        return refused(format!("a ttl of {} is too long; {reason}", HumanDuration(ttl)));
    }
    check_shortest("ttl", ttl)
}

pub(crate) fn check_max_hold(max_hold: Option<Duration>) -> Result<(), LockError> {
    max_hold.map_or(Ok(()), |max_hold| check_shortest("max_hold", max_hold))
}

/// A hold that ends before its key may be taken again would be no hold.
pub(crate) fn check_min_hold(
    min_hold: Option<Duration>,
    max_hold: Option<Duration>,
) -> Result<(), LockError> {
    let Some(min_hold) = min_hold else { return Ok(()) };
    if min_hold > MAX_TTL {
        return refused(format!(
            "a min_hold of {} is too long; set at most 30 days",
            HumanDuration(min_hold)
        ));
    }
    let Some(max_hold) = max_hold.filter(|&max_hold| max_hold < min_hold) else { return Ok(()) };
    let [min_hold, max_hold] = [min_hold, max_hold].map(HumanDuration);
    refused(format!(
        "the min_hold of {min_hold} is longer than the max_hold of {max_hold}; set a longer \
         max_hold, or a shorter min_hold"
    ))
}

pub(crate) fn check_confirm(confirm: Duration) -> Result<(), LockError> {
    if confirm < Duration::from_millis(1) {
        return refused(
            "no replica can confirm within less than 1ms; set a longer confirm".to_owned(),
        );
    }
    Ok(())
}

fn check_shortest(what: &str, duration: Duration) -> Result<(), LockError> {
    if duration >= MIN_TTL {
        return Ok(());
    }
    let [duration, shortest] = [duration, MIN_TTL].map(HumanDuration);
    refused(format!("a {what} of {duration} is too short to hold a lock; set at least {shortest}"))
}

/// A lease is valid for its ttl minus the margin.
pub(crate) fn check_clock_margin(margin: Option<Duration>, ttl: Duration) -> Result<(), LockError> {
    let Some(margin) = margin.filter(|&margin| margin >= ttl) else { return Ok(()) };
    let [margin, ttl] = [margin, ttl].map(HumanDuration);
    refused(format!(
        "the clock margin of {margin} is not shorter than the ttl of {ttl}; set a longer ttl, or a \
         shorter clock_margin for the manager"
    ))
}

/// The key of a crashed holder expires after the ttl plus the slack.
pub(crate) fn check_server_ttl_slack(slack: Option<Duration>) -> Result<(), LockError> {
    let Some(slack) = slack.filter(|&slack| slack > MAX_TTL) else { return Ok(()) };
    refused(format!(
        "a server_ttl_slack of {} is too long; set at most 30 days, a few seconds are usual",
        HumanDuration(slack)
    ))
}

fn refused(reason: String) -> Result<(), LockError> {
    Err(LockError::config(reason))
}
