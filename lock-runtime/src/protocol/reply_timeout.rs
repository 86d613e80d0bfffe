//! How long the server may say nothing: counted from its last word, as one that has much to do answers late and is not dead.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::protocol::state::Protocol;
use crate::protocol::timing::Timing;
use crate::types::time::Timestamp;

/// With a third of a longer ttl the reply time-out of the manager is shorter.
const SHORT: Duration = Duration::from_secs(10);

/// What is known of the server's pace.
#[derive(Debug)]
pub(crate) struct ReplyTimeout {
    /// When the server last said anything.
    heard: Timestamp,
    /// The slowest round trip of late.
    slowest: Duration,
    /// The short ttls of the requests there are, and how many have each.
    ttls: BTreeMap<Duration, usize>,
}

impl ReplyTimeout {
    pub(crate) const fn new(now: Timestamp) -> Self {
        Self { heard: now, slowest: Duration::ZERO, ttls: BTreeMap::new() }
    }

    /// A request with this ttl has come.
    pub(crate) fn begin(&mut self, ttl: Duration) {
        if ttl < SHORT {
            *self.ttls.entry(ttl).or_default() += 1;
        }
    }

    /// It has gone.
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

    /// The server said something.
    pub(crate) fn heard(&mut self, now: Timestamp) {
        self.heard = self.heard.max(now);
    }

    /// It answered a call that was sent at `sent`.
    pub(crate) fn settled(&mut self, now: Timestamp, sent: Timestamp) {
        self.heard(now);
        self.slowest = now.since(sent).max(self.slowest / 16 * 15);
    }

    /// How long it may say nothing.
    pub(crate) fn limit(&self, timing: &Timing) -> Duration {
        let shortest = self.ttls.first_key_value().map(|(&ttl, _)| ttl);
        timing.reply_timeout(shortest, self.slowest)
    }
}

impl Protocol {
    /// When the connection counts as dead, unless the server says something until then.
    pub(crate) fn reply_due_at(&self) -> Option<Timestamp> {
        let oldest = self.in_flight.values().next()?;
        Some(oldest.at.max(self.reply_timeout.heard).plus(self.reply_timeout.limit(&self.timing)))
    }
}
