//! What an answer has to look like to mean a reply.

use crate::types::fence::FenceRange;
use crate::wire::command::{Acquire, Command, Renewal};
use crate::wire::keyspace::MAX_FENCE_RANGE;
use crate::wire::reply::{AcquireReply, ProbeReply, RawReply, RenewalReply, Reply};

/// Whether the reply gives anybody a lock.
pub const fn grants(reply: &Reply) -> bool {
    matches!(reply, Reply::Acquire(AcquireReply::Granted(_)) | Reply::AcquiredAll(Some(_)))
}

/// Tokens that a server counts up to, as many as are ever asked for.
pub fn is_issuable(fences: FenceRange) -> bool {
    (1..1 << 53).contains(&fences.first.get()) && (1..=MAX_FENCE_RANGE).contains(&fences.size)
}

/// Whether the reply is of the call's kind and says what the answer does.
pub fn fits(call: &Command, answer: &RawReply, reply: &Reply) -> bool {
    match (call, reply) {
        (Command::Acquire(acquire), Reply::Acquire(reply)) => fits_acquire(acquire, answer, reply),
        (Command::AcquireAll(_), Reply::AcquiredAll(None)) => *answer == RawReply::Int(0),
        (Command::AcquireAll(acquires), Reply::AcquiredAll(Some(fences))) => {
            is_issuable(*fences)
                && fences.size as usize == acquires.len()
                && is_number(answer, fences.first.get())
        }
        (Command::Release { .. } | Command::Cancel { .. }, Reply::Released(held)) => {
            *answer == RawReply::Int((*held).into())
        }
        (Command::Renew(entries), Reply::Renewed(replies)) => {
            replies.len() == entries.len() && entries.iter().zip(replies).all(fits_renewal)
        }
        (Command::Asking(command), reply) => fits(command, answer, reply),
        (Command::RaiseMaxLease(_), Reply::MaxLeaseRaised)
        | (Command::Subscribe(_), Reply::Subscribed)
        | (Command::Open(_), Reply::Opened)
        | (Command::CountReplicas, Reply::OnlineReplicas(_)) => matches!(answer, RawReply::Text(_)),
        (Command::Wait { .. }, Reply::Acknowledged(count)) => is_number(answer, (*count).into()),
        (Command::Inspect { .. }, Reply::Inspection(seen)) => {
            length(answer) == Some(4 + 2 * seen.waiters.len())
        }
        (Command::Scan { space, .. }, Reply::Page(page)) => {
            let RawReply::List(words) = answer else { return false };
            let [RawReply::Text(next), RawReply::List(names)] = &words[..] else { return false };
            let is_named = |key: &String| names.contains(&RawReply::Text(space.hold(key)));
            next.parse() == Ok(page.next) && page.keys.iter().all(is_named)
        }
        (Command::Register { .. }, Reply::Registered) => is_number(answer, 1),
        (Command::LookAtHold(_), Reply::Holder(_)) => length(answer) == Some(1),
        (Command::LookAtSection(_), Reply::Blocked(waits)) => {
            length(answer) == Some(2 * waits.len())
        }
        (Command::Probe(probe), Reply::Probed(probed)) => {
            length(answer) == Some(1 + 4 * probed.cycle.len())
                && probed.cycle.first().is_none_or(|first| first.id == probe.id)
                && is_plausible(probed)
        }
        _ => false,
    }
}

fn fits_acquire(acquire: &Acquire, answer: &RawReply, reply: &AcquireReply) -> bool {
    let words = if let RawReply::List(words) = answer { &words[..] } else { &[] };
    let first_word = |code: i64| words.len() == 5 && words[0] == RawReply::Int(code);
    match reply {
        AcquireReply::Granted(grant) => {
            let (first, size) = (grant.fences.first.get(), grant.fences.size);
            let in_words = matches!(answer, RawReply::List(words)
                if matches!(&words[..], [RawReply::Int(4), number, many, RawReply::Int(more)]
                    if is_number(number, first)
                        && is_number(many, size.into())
                        && (*more == 1) == grant.contended));
            let alone = is_number(answer, first) && size == acquire.fence_count && !grant.contended;
            is_issuable(grant.fences) && (alone || in_words)
        }
        AcquireReply::Cancelled => first_word(2),
        AcquireReply::Busy(_) => [0, 1, 3, 5].into_iter().any(first_word),
    }
}

fn fits_renewal((entry, reply): (&Renewal, &RenewalReply)) -> bool {
    let of_waiter = matches!(reply, RenewalReply::Waiting(_) | RenewalReply::AcquireAgain);
    of_waiter == matches!(entry, Renewal::Waiter { .. })
}

fn is_plausible(probed: &ProbeReply) -> bool {
    let fresh = probed.cycle.iter().all(|member| member.refreshed_us <= probed.at_us);
    let once =
        probed.cycle.iter().enumerate().all(|(number, member)| {
            probed.cycle[..number].iter().all(|other| other.id != member.id)
        });
    fresh && once
}

fn is_number(answer: &RawReply, number: u64) -> bool {
    matches!(answer, RawReply::Int(int) if u64::try_from(*int) == Ok(number))
}

fn length(answer: &RawReply) -> Option<usize> {
    match answer {
        RawReply::List(words) => Some(words.len()),
        _ => None,
    }
}
