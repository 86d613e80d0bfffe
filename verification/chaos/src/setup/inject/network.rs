//! Network faults between workers and the server.

use std::time::Duration;

use testkit::{Cut, Direction, FaultProxy};

use crate::cluster::Cluster;
use crate::fault::{Fault, FaultKind};

impl Cluster {
    /// The proxy of one worker, or all proxies.
    fn proxies_of(&self, fault: &Fault) -> impl Iterator<Item = &FaultProxy> {
        let only = fault.worker.map(|worker| worker as usize);
        let proxies = self.proxies.iter().enumerate();
        proxies.filter(move |(at, _)| only.is_none_or(|only| only == *at)).map(|(_, proxy)| proxy)
    }

    pub(super) fn disturb(&self, fault: &Fault) {
        for proxy in self.proxies_of(fault) {
            match fault.kind {
                FaultKind::CutNow => proxy.cut(Cut::Now),
                FaultKind::CutBeforeApply => proxy.cut(Cut::BeforeApply),
                FaultKind::CutAfterApply => proxy.cut(Cut::AfterApply),
                FaultKind::CutMidFrame => proxy.cut(Cut::MidFrame),
                FaultKind::DelayToServer => proxy.delay(Direction::ToServer, delay(fault)),
                FaultKind::DelayToClient => proxy.delay(Direction::ToClient, delay(fault)),
                FaultKind::BlackHole => proxy.black_hole(true),
                FaultKind::Freeze => proxy.freeze(true),
                FaultKind::DropPushes => proxy.drop_pushes(true),
                other => unreachable!("{other} is not a network fault"),
            }
        }
    }

    pub(super) fn settle(&self, fault: &Fault) {
        for proxy in self.proxies_of(fault) {
            match fault.kind {
                FaultKind::DelayToServer => proxy.delay(Direction::ToServer, Duration::ZERO),
                FaultKind::DelayToClient => proxy.delay(Direction::ToClient, Duration::ZERO),
                FaultKind::BlackHole => proxy.black_hole(false),
                FaultKind::Freeze => proxy.freeze(false),
                FaultKind::DropPushes => proxy.drop_pushes(false),
                _ => {}
            }
        }
    }
}

/// From a short delay to more than a third of the ttl, which delays renewals.
fn delay(fault: &Fault) -> Duration {
    fault.span / 4
}
