//! Faults between a worker and the server.

use std::time::Duration;

use testkit::{Cut, Direction, FaultProxy};

use crate::cluster::Cluster;
use crate::fault::{Fault, Kind};

impl Cluster {
    /// Before one worker, or before all.
    fn proxies_of(&self, fault: &Fault) -> impl Iterator<Item = &FaultProxy> {
        let only = fault.worker.map(|worker| worker as usize);
        let proxies = self.proxies.iter().enumerate();
        proxies.filter(move |(at, _)| only.is_none_or(|only| only == *at)).map(|(_, proxy)| proxy)
    }

    pub(super) fn disturb(&self, fault: &Fault) {
        for proxy in self.proxies_of(fault) {
            match fault.kind {
                Kind::CutNow => proxy.cut(Cut::Now),
                Kind::CutBeforeApply => proxy.cut(Cut::BeforeApply),
                Kind::CutAfterApply => proxy.cut(Cut::AfterApply),
                Kind::CutMidFrame => proxy.cut(Cut::MidFrame),
                Kind::DelayToServer => proxy.delay(Direction::ToServer, delay(fault)),
                Kind::DelayToClient => proxy.delay(Direction::ToClient, delay(fault)),
                Kind::BlackHole => proxy.black_hole(true),
                Kind::Freeze => proxy.freeze(true),
                Kind::DropPushes => proxy.drop_pushes(true),
                other => unreachable!("{other} is not of the network"),
            }
        }
    }

    pub(super) fn settle(&self, fault: &Fault) {
        for proxy in self.proxies_of(fault) {
            match fault.kind {
                Kind::DelayToServer => proxy.delay(Direction::ToServer, Duration::ZERO),
                Kind::DelayToClient => proxy.delay(Direction::ToClient, Duration::ZERO),
                Kind::BlackHole => proxy.black_hole(false),
                Kind::Freeze => proxy.freeze(false),
                Kind::DropPushes => proxy.drop_pushes(false),
                _ => {}
            }
        }
    }
}

/// From hardly any to more than a third of the ttl, which makes renewals late.
fn delay(fault: &Fault) -> Duration {
    fault.span / 4
}
