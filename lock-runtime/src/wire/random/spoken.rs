//! What a server writes on the wire to say a reply.

use std::time::Duration;

use crate::types::owner_info::Holder;
use crate::wire::call::Call;
use crate::wire::probe::Probed;
use crate::wire::reply::{
    AcquireReply, Answer, Busy, Grant, Inspection, Obstacle, RenewalReply, Reply,
};

/// The answer that holds this reply.
pub fn spoken(call: &Call, reply: &Reply) -> Answer {
    match reply {
        Reply::Acquire(AcquireReply::Granted(grant)) => granted(call, *grant),
        Reply::Acquire(AcquireReply::Busy(busy)) => self::busy(busy),
        Reply::Acquire(AcquireReply::Cancelled) => {
            Answer::List(vec![int(2), int(0), int(0), text("0"), text("")])
        }
        Reply::AcquiredAll(fences) => int(fences.map_or(0, |fences| fences.first().get())),
        Reply::Ended(held) => int(u64::from(*held)),
        Reply::Renewed(replies) => Answer::List(replies.iter().map(renewal).collect()),
        Reply::Raised => text("0000000000000000000000000000000000000000"),
        Reply::Inspection(seen) => inspection(seen),
        Reply::Probed(probed) => self::probed(probed),
    }
}

fn int(number: u64) -> Answer {
    Answer::Int(i64::try_from(number).expect("a number of a server fits"))
}

fn text(text: impl std::fmt::Display) -> Answer {
    Answer::Text(format!("{text}"))
}

fn pttl(left: Option<Duration>) -> Answer {
    let ms = left.map(|left| left.as_millis().try_into().expect("a TTL fits"));
    Answer::Int(ms.unwrap_or(-1))
}

fn granted(call: &Call, grant: Grant) -> Answer {
    let fences = grant.fences;
    match call {
        Call::Acquire(ask) if ask.block == fences.size() && !grant.waited_for => {
            int(fences.first().get())
        }
        _ => Answer::List(vec![
            int(4),
            int(fences.first().get()),
            int(fences.size().into()),
            int(grant.waited_for.into()),
        ]),
    }
}

fn busy(busy: &Busy) -> Answer {
    let (code, holder) = match &busy.obstacle {
        Obstacle::Holder(holder) => (0, holder.as_deref()),
        Obstacle::KeyConflict => (1, None),
        Obstacle::DataLoss => (3, None),
    };
    let ticket = text(busy.ticket.unwrap_or(0));
    Answer::List(vec![int(code), pttl(busy.left), int(busy.ahead), ticket, hold(holder)])
}

fn hold(holder: Option<&Holder>) -> Answer {
    let value = |Holder { nonce, fence, who, held_unix_ms }: &Holder| {
        let asked = format!("{} {}", who.ttl.as_millis(), who.since_unix_ms);
        let held = held_unix_ms.map(|held| format!("/{held}")).unwrap_or_default();
        let rest = who.to_string().split_off(asked.len());
        format!("dl1w{nonce} {fence} 1 inbox {asked}{held}{rest}")
    };
    text(holder.map(value).unwrap_or_default())
}

fn renewal(reply: &RenewalReply) -> Answer {
    match reply {
        RenewalReply::Gone => int(0),
        RenewalReply::Renewed => int(1),
        RenewalReply::RenewedAndWaitedFor => int(2),
        RenewalReply::Ask => Answer::Int(-1),
        RenewalReply::Waiting(left) => pttl(*left),
    }
}

fn inspection(seen: &Inspection) -> Answer {
    let holder = if seen.foreign { text("?") } else { hold(seen.holder.as_ref()) };
    let mut words = vec![holder, pttl(seen.left), int(seen.waiting)];
    for waiter in &seen.waiters {
        words.extend([text(waiter.nonce), text(format!("1 1 1 inbox {}", waiter.who))]);
    }
    Answer::List(words)
}

fn probed(probed: &Probed) -> Answer {
    let mut words = vec![int(probed.at_us)];
    for member in &probed.cycle {
        let refreshed = int(member.refreshed_us);
        words.extend([text(member.id), refreshed, text(&member.key), text(&member.who)]);
    }
    Answer::List(words)
}
