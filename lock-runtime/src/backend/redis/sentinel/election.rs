//! Which server is the primary, by what the Sentinels say: a state machine without I/O and clock.
//!
//! One Sentinel may be cut off, or know less than the others. So an address counts if a majority of
//! the known Sentinels names it: those that answer, and those that they know.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::backend::redis::address::NodeAddress;
use crate::types::time::Timestamp;

/// A report that is not repeated for so long does not count any more.
const FRESH: Duration = Duration::from_secs(5);

/// The address of a primary, and the configuration epoch that named it, which a failover raises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) address: NodeAddress,
    pub(crate) epoch: u64,
}

/// What a Sentinel says. Sentinels are known by their ids, because names and addresses of one may
/// differ.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) primary: Named,
    /// The ids of the others that it knows.
    pub(crate) others: Vec<String>,
    pub(crate) at: Timestamp,
}

/// How far the Sentinels agree.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Agreement {
    /// The address that most of them name, and how many do.
    pub(crate) most: Option<(Named, usize)>,
    pub(crate) known: usize,
}

impl Agreement {
    fn majority(&self) -> Option<&Named> {
        let (named, count) = self.most.as_ref()?;
        (count * 2 > self.known).then_some(named)
    }

    fn is_unanimous(&self) -> bool {
        self.most.as_ref().is_some_and(|&(_, count)| count == self.known)
    }
}

#[derive(Debug)]
pub(crate) struct Election {
    reports: BTreeMap<String, Report>,
    /// How many Sentinels the user has listed.
    listed: usize,
    primary: Option<Named>,
    /// Since when a majority has not named it again.
    confirmed: Timestamp,
}

impl Election {
    pub(crate) const fn new(listed: usize) -> Self {
        Self { reports: BTreeMap::new(), listed, primary: None, confirmed: Timestamp::ZERO }
    }

    pub(crate) const fn primary(&self) -> Option<&Named> {
        self.primary.as_ref()
    }

    /// When a majority last named the primary.
    pub(crate) const fn confirmed(&self) -> Timestamp {
        self.confirmed
    }

    /// The user has listed one of them twice.
    pub(crate) const fn is_listed_twice(&mut self) {
        self.listed -= 1;
    }

    /// A Sentinel has answered. Returns whether the primary is another one from now on.
    pub(crate) fn reported(&mut self, now: Timestamp, id: String, report: Report) -> bool {
        self.reports.insert(id, report);
        self.decide(now)
    }

    /// A Sentinel does not answer.
    pub(crate) fn is_silent(&mut self, id: &str) {
        self.reports.remove(id);
    }

    /// Without a majority the primary stays. A majority for an older epoch than that of the primary
    /// has not heard of the last failover; only if all agree, their history has started again.
    fn decide(&mut self, now: Timestamp) -> bool {
        let agreement = self.agreement(now);
        let Some(named) = agreement.majority() else { return false };
        let is_older = self.primary.as_ref().is_some_and(|primary| named.epoch < primary.epoch);
        if is_older && !agreement.is_unanimous() {
            return false;
        }
        let moved = self.primary.as_ref().is_none_or(|primary| primary.address != named.address);
        let mut named_at: Vec<_> = self
            .reports
            .values()
            .filter(|report| report.primary.address == named.address)
            .map(|report| report.at)
            .collect();
        named_at.sort_unstable();
        let least = named_at.iter().nth_back(agreement.known / 2);
        self.confirmed = least.map_or(self.confirmed, |&at| self.confirmed.max(at));
        self.primary = Some(named.clone());
        moved
    }

    pub(crate) fn agreement(&self, now: Timestamp) -> Agreement {
        let fresh = || self.reports.iter().filter(|(_, report)| now.since(report.at) < FRESH);
        let ids = fresh().flat_map(|(id, report)| report.others.iter().chain([id]));
        let known = ids.collect::<BTreeSet<_>>().len().max(self.listed);
        let mut counts: Vec<(Named, usize)> = Vec::new();
        for (_, Report { primary, .. }) in fresh() {
            match counts.iter_mut().find(|(named, _)| named.address == primary.address) {
                Some((named, count)) => {
                    named.epoch = named.epoch.max(primary.epoch);
                    *count += 1;
                }
                None => counts.push((primary.clone(), 1)),
            }
        }
        let most = counts.into_iter().max_by_key(|(named, count)| (*count, named.epoch));
        Agreement { most, known }
    }
}

#[cfg(test)]
mod tests;
