//! When a silent connection counts as dead: counted from the last reply or push, because a busy
//! server answers late and is not dead.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::protocol::state::Protocol;
use crate::protocol::timing::Timing;
use crate::types::time::Timestamp;

/// For a longer ttl, a third of it exceeds the manager's reply timeout anyway.
const SHORT: Duration = Duration::from_secs(10);

/// Response times, and the ttls that limit them.
#[derive(Debug)]
pub(crate) struct ReplyTimeout {
    /// When the last reply or push arrived.
    heard: Timestamp,
    /// The slowest recent round trip.
    slowest: Duration,
    /// The short ttls of all requests, and how many requests have each.
    ttls: BTreeMap<Duration, usize>,
}

impl ReplyTimeout {
    pub(crate) const fn new(now: Timestamp) -> Self {
        Self { heard: now, slowest: Duration::ZERO, ttls: BTreeMap::new() }
    }

    /// A request with this ttl was added.
    pub(crate) fn begin(&mut self, ttl: Duration) {
        if ttl < SHORT {
            *self.ttls.entry(ttl).or_default() += 1;
        }
    }

    /// It was removed.
    pub(crate) fn end(&mut self, ttl: Duration) {
        if ttl < SHORT
            && let Some(count) = self.ttls.get_mut(&ttl)
        {
            *count -= 1;
            if *count == 0 {
                self.ttls.remove(&ttl);
            }
        }
    }

    /// A reply or push arrived.
    pub(crate) fn heard(&mut self, now: Timestamp) {
        self.heard = self.heard.max(now);
    }

    /// A reply arrived to a command sent at `sent`.
    pub(crate) fn settled(&mut self, now: Timestamp, sent: Timestamp) {
        self.heard(now);
        self.slowest = now.since(sent).max(self.slowest / 16 * 15);
    }

    /// How long the connection may be silent.
    pub(crate) fn limit(&self, timing: &Timing) -> Duration {
        let shortest = self.ttls.first_key_value().map(|(&ttl, _)| ttl);
        timing.reply_timeout(shortest, self.slowest)
    }
}

impl Protocol {
    /// When the connection counts as dead unless something arrives before.
    pub(crate) fn reply_due_at(&self) -> Option<Timestamp> {
        let oldest = self.in_flight.values().next()?;
        Some(oldest.at.max(self.reply_timeout.heard).plus(self.reply_timeout.limit(&self.timing)))
    }
}
