//! Network faults between workers and the server.

use std::time::Duration;

use testkit::{Cut, Direction, FaultProxy};

use crate::fault::{Fault, FaultKind};

pub(super) fn disturb(proxy: &FaultProxy, fault: &Fault) {
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

pub(super) fn settle(proxy: &FaultProxy, fault: &Fault) {
    match fault.kind {
        FaultKind::DelayToServer => proxy.delay(Direction::ToServer, Duration::ZERO),
        FaultKind::DelayToClient => proxy.delay(Direction::ToClient, Duration::ZERO),
        FaultKind::BlackHole => proxy.black_hole(false),
        FaultKind::Freeze => proxy.freeze(false),
        FaultKind::DropPushes => proxy.drop_pushes(false),
        _ => {}
    }
}

/// From a short delay to more than a third of the ttl, which delays renewals.
fn delay(fault: &Fault) -> Duration {
    fault.span / 4
}
