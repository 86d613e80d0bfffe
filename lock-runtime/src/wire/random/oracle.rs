//! What an answer has to look like to mean a reply.

use crate::types::fence::FenceBlock;
use crate::wire::call::{Acquire, Call, LARGEST_BLOCK, Renewal};
use crate::wire::probe::Probed;
use crate::wire::reply::{AcquireReply, Answer, RenewalReply, Reply};

/// Whether the reply gives anybody a lock.
pub const fn grants(reply: &Reply) -> bool {
    matches!(reply, Reply::Acquire(AcquireReply::Granted(_)) | Reply::AcquiredAll(Some(_)))
}

/// Tokens that a server counts up to, as many as are ever asked for.
pub fn is_issuable(fences: FenceBlock) -> bool {
    (1..1 << 53).contains(&fences.first().get()) && (1..=LARGEST_BLOCK).contains(&fences.size())
}

/// Whether the reply is of the call's kind and says what the answer does.
pub fn fits(call: &Call, answer: &Answer, reply: &Reply) -> bool {
    match (call, reply) {
        (Call::Acquire(ask), Reply::Acquire(reply)) => fits_acquire(ask, answer, reply),
        (Call::AcquireAll(_), Reply::AcquiredAll(None)) => *answer == Answer::Int(0),
        (Call::AcquireAll(asks), Reply::AcquiredAll(Some(fences))) => {
            is_issuable(*fences)
                && fences.size() as usize == asks.len()
                && is_number(answer, fences.first().get())
        }
        (Call::Free(_) | Call::Release(_) | Call::Cancel { .. }, Reply::Ended(held)) => {
            *answer == Answer::Int((*held).into())
        }
        (Call::Renew(entries), Reply::Renewed(replies)) => {
            replies.len() == entries.len() && entries.iter().zip(replies).all(fits_renewal)
        }
        (Call::Raise(_), Reply::Raised) => matches!(answer, Answer::Text(_)),
        (Call::Inspect { .. }, Reply::Inspection(seen)) => {
            length(answer) == Some(3 + 2 * seen.waiters.len())
        }
        (Call::Probe(probe), Reply::Probed(probed)) => {
            length(answer) == Some(1 + 4 * probed.cycle.len())
                && probed.cycle.first().is_none_or(|first| first.id == probe.id)
                && is_plausible(probed)
        }
        _ => false,
    }
}

fn fits_acquire(ask: &Acquire, answer: &Answer, reply: &AcquireReply) -> bool {
    let first_word = |code: i64| matches!(answer, Answer::List(words) if words.len() == 5 && words[0] == Answer::Int(code));
    match reply {
        AcquireReply::Granted(grant) => {
            let (first, size) = (grant.fences.first().get(), grant.fences.size());
            let in_words = matches!(answer, Answer::List(words)
                if matches!(&words[..], [Answer::Int(4), number, many, Answer::Int(more)]
                    if is_number(number, first)
                        && is_number(many, size.into())
                        && (*more == 1) == grant.waited_for));
            let alone = is_number(answer, first) && size == ask.block && !grant.waited_for;
            is_issuable(grant.fences) && (alone || in_words)
        }
        AcquireReply::Cancelled => first_word(2),
        AcquireReply::Busy(_) => [0, 1, 3].into_iter().any(first_word),
    }
}

fn fits_renewal((entry, reply): (&Renewal, &RenewalReply)) -> bool {
    let of_waiter = matches!(reply, RenewalReply::Waiting(_) | RenewalReply::Ask);
    of_waiter == matches!(entry, Renewal::Waiter { .. })
}

fn is_plausible(probed: &Probed) -> bool {
    let fresh = probed.cycle.iter().all(|member| member.refreshed_us <= probed.at_us);
    let once =
        probed.cycle.iter().enumerate().all(|(number, member)| {
            probed.cycle[..number].iter().all(|other| other.id != member.id)
        });
    fresh && once
}

fn is_number(answer: &Answer, number: u64) -> bool {
    matches!(answer, Answer::Int(int) if u64::try_from(*int) == Ok(number))
}

fn length(answer: &Answer) -> Option<usize> {
    match answer {
        Answer::List(words) => Some(words.len()),
        _ => None,
    }
}
