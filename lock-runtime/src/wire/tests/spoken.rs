//! What a server writes on the wire to say a reply.

use std::time::Duration;

use crate::types::owner_info::HolderInfo;
use crate::types::pause::PauseReason;
use crate::wire::command::{Command, WaitTarget};
use crate::wire::reply::{
    AcquireReply, BlockedBy, BlockedRequest, BlockedWait, BusyReply, Grant, LockState, Page,
    ProbeReply, RawReply, ReclaimReply, RenewalReply, Reply,
};

/// The answer that holds this reply.
pub fn spoken(call: &Command, reply: &Reply) -> RawReply {
    match reply {
        Reply::Acquire(AcquireReply::Granted(grant)) => granted(call, *grant),
        Reply::Acquire(AcquireReply::Busy(busy)) => self::busy(busy),
        Reply::Acquire(AcquireReply::Cancelled) => {
            RawReply::List(vec![int(2), int(0), int(0), text("0"), text("")])
        }
        Reply::AcquiredAll(fences) => int(fences.map_or(0, |fences| fences.first.get())),
        Reply::Released(yes) => int(u64::from(*yes)),
        Reply::Reclaimed(ReclaimReply::Refused) => int(0),
        Reply::Reclaimed(ReclaimReply::Held) | Reply::Registered => int(1),
        Reply::Reclaimed(ReclaimReply::OlderHold) => int(2),
        Reply::Renewed(replies) => RawReply::List(replies.iter().map(renewal).collect()),
        Reply::Subscribed | Reply::Opened => text(""),
        Reply::Holder(holder) => RawReply::List(vec![holder.map_or(RawReply::Other, |id| {
            text(format!("dl1-{id} 7 1 1 inbox 1 1 host function"))
        })]),
        Reply::Blocked(waits) => RawReply::List(waits.iter().flat_map(blocked).collect()),
        Reply::MaxLeaseRaised => text("0000000000000000000000000000000000000000"),
        Reply::Acknowledged(count) => int((*count).into()),
        Reply::OnlineReplicas(count) => {
            let line = |number| format!("slave{number}:ip=::1,port=1,state=online,lag=0\r\n");
            text((0..*count).map(line).collect::<String>())
        }
        Reply::Inspection(seen) => inspection(seen),
        Reply::Page(page) => self::page(call, page),
        Reply::Probed(probed) => self::probed(probed),
    }
}

fn int(number: u64) -> RawReply {
    RawReply::Int(i64::try_from(number).expect("a number of a server fits"))
}

fn text(text: impl std::fmt::Display) -> RawReply {
    RawReply::Text(format!("{text}"))
}

fn pttl(left: Option<Duration>) -> RawReply {
    let ms = left.map(|left| left.as_millis().try_into().expect("a TTL fits"));
    RawReply::Int(ms.unwrap_or(-1))
}

fn granted(call: &Command, grant: Grant) -> RawReply {
    let fences = grant.fences;
    match call {
        Command::Acquire(acquire) if acquire.fence_count == fences.size && !grant.contended => {
            int(fences.first.get())
        }
        _ => RawReply::List(vec![
            int(4),
            int(fences.first.get()),
            int(fences.size.into()),
            int(grant.contended.into()),
        ]),
    }
}

fn busy(busy: &BusyReply) -> RawReply {
    let (code, holder) = match &busy.blocked_by {
        BlockedBy::Holder(holder) => (0, holder.as_deref()),
        BlockedBy::KeyConflict => (1, None),
        BlockedBy::DataLoss => (3, None),
        BlockedBy::Failover => (5, None),
    };
    let ticket = text(busy.ticket.unwrap_or(0));
    RawReply::List(vec![int(code), pttl(busy.left), int(busy.ahead), ticket, hold(holder)])
}

fn hold(holder: Option<&HolderInfo>) -> RawReply {
    let value = |HolderInfo { id, fence, owner, held_unix_ms }: &HolderInfo| {
        let text = owner.to_string();
        let (since, rest) = text.split_once(' ').expect("several words");
        let held = held_unix_ms.map(|held| format!("/{held}")).unwrap_or_default();
        format!("dl1w{id} {since}{held} {fence} 1 inbox {rest}")
    };
    text(holder.map(value).unwrap_or_default())
}

fn renewal(reply: &RenewalReply) -> RawReply {
    match reply {
        RenewalReply::NotHeld => int(0),
        RenewalReply::Renewed => int(1),
        RenewalReply::RenewedContended => int(2),
        RenewalReply::AcquireAgain => RawReply::Int(-1),
        RenewalReply::Waiting(left) => pttl(*left),
    }
}

fn page(call: &Command, page: &Page) -> RawReply {
    let Command::Scan { space, .. } = call else { panic!("{call:?} finds no locks") };
    let names = page.keys.iter().map(|key| text(space.hold(key)));
    RawReply::List(vec![text(page.next), RawReply::List(names.collect())])
}

fn inspection(seen: &LockState) -> RawReply {
    let holder = if seen.not_a_lock { text("?") } else { hold(seen.holder.as_ref()) };
    let mark = seen.mark.map_or_else(String::new, |mark| format!("m{mark}"));
    let pause = seen.pause.as_ref().map_or_else(String::new, |pause| {
        let kind = if pause.reason == PauseReason::Failover { 'p' } else { 'l' };
        format!(" {kind} {}", pause.left.as_millis())
    });
    let mut words = vec![holder, pttl(seen.left), int(seen.waiting), text(mark + &pause)];
    for waiter in &seen.waiters {
        let owner = waiter.owner.to_string();
        let (since, rest) = owner.split_once(' ').expect("several words");
        words.extend([text(waiter.id), text(format!("1 1 {since} 1 inbox {rest}"))]);
    }
    RawReply::List(words)
}

fn blocked(wait: &BlockedWait) -> [RawReply; 2] {
    let BlockedWait { request, count, target } = wait;
    let BlockedRequest { id, refreshed_us, key, owner } = request;
    let target = match target {
        WaitTarget::Key => "-".to_owned(),
        WaitTarget::Section(section) => section.to_string(),
    };
    let length = key.len();
    [text(id), text(format!("{refreshed_us} n{count} {target} {length} {key} {owner}"))]
}

fn probed(probed: &ProbeReply) -> RawReply {
    let mut words = vec![int(probed.at_us)];
    for member in &probed.cycle {
        let refreshed = int(member.refreshed_us);
        words.extend([text(member.id), refreshed, text(&member.key), text(&member.owner)]);
    }
    RawReply::List(words)
}
