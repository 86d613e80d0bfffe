//! Handoffs from one section to the next, and what prevents them.

use super::*;
use crate::local::queue::{AcquireParams, LeaseTerms, MAX_LOCAL_STREAK, MAX_STREAK_CONTENDED};
use crate::wire::keyspace::MAX_FENCE_RANGE;

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap()
}

#[test]
fn a_handoff_sends_no_request() {
    let mut queue = TestQueue::held();
    assert_eq!(queue.join("second", params(1)), nothing());
    assert_eq!(queue.join("third", params(2)), nothing());
    assert_eq!(queue.released(3), starts("second", FIRST + 1));
    assert_eq!(queue.released(4), starts("third", FIRST + 2));
    assert_eq!(queue.released(5), releases(1));
    assert!(queue.queue.is_vacant());
}

#[test]
fn no_handoff_without_a_fencing_token() {
    let mut queue = TestQueue::new();
    queue.join("first", params(0));
    let size = queue.fence_count;
    queue.granted(0, size, false);
    for step in 1..size {
        queue.join("next", params(1));
        assert_eq!(queue.released(1), starts("next", FIRST + u64::from(step)));
    }
    queue.join("one too many", params(2));
    assert_eq!(queue.released(2), releases_and_acquires(1, 2));
    let next = queue.next_fence;
    assert_eq!(queue.granted(3, 4, false), starts("one too many", next));
}

/// Counts the handoffs of sections that take one millisecond each.
fn max_handoffs(queue: &mut TestQueue, from: u64, params: impl Fn(u64) -> AcquireParams) -> u64 {
    for count in 0.. {
        let now = from + count;
        queue.join("next", params(now));
        if queue.released(now).start.is_none() {
            return count;
        }
    }
    unreachable!()
}

#[test]
fn eight_handoffs_while_another_process_waits() {
    let mut pushed = TestQueue::new();
    pushed.join("first", params(0));
    pushed.granted(0, PLENTY, true);
    assert_eq!(max_handoffs(&mut pushed, 1, params), u64::from(MAX_HANDOFFS));

    let mut notified = TestQueue::held();
    notified.join("second", params(1));
    assert_eq!(notified.released(1), starts("second", FIRST + 1));
    assert_eq!(notified.contended(2, 1), nothing());
    assert_eq!(notified.contended(3, 1), nothing(), "notified again");
    assert_eq!(max_handoffs(&mut notified, 4, params), u64::from(MAX_HANDOFFS));

    let mut strict = TestQueue::new();
    strict.queue = new_queue(0);
    strict.join("first", params(0));
    strict.granted(0, PLENTY, true);
    assert_eq!(max_handoffs(&mut strict, 1, params), 0);
}

#[test]
fn the_handoff_limit_restarts_with_each_grant() {
    let mut queue = TestQueue::new();
    queue.join("first", params(0));
    queue.granted(0, PLENTY, true);
    max_handoffs(&mut queue, 1, params);
    queue.granted(20, PLENTY, true);
    assert_eq!(max_handoffs(&mut queue, 21, params), u64::from(MAX_HANDOFFS));
    queue.granted(40, PLENTY, false);
    assert_eq!(
        max_handoffs(&mut queue, 41, params),
        u64::from(MAX_HANDOFFS),
        "others may come back"
    );
    queue.granted(2_000, PLENTY, false);
    assert!(max_handoffs(&mut queue, 2_001, params) > 100, "nobody else has come for a while");
}

#[test]
fn contention_reported_before_the_grant_counts() {
    let mut queue = TestQueue::new();
    queue.join("first", params(0));
    assert_eq!(queue.contended(0, 1), nothing());
    queue.granted(0, PLENTY, false);
    assert_eq!(max_handoffs(&mut queue, 1, params), u64::from(MAX_HANDOFFS));
    queue.granted(2_000, PLENTY, false);
    assert!(max_handoffs(&mut queue, 2_001, params) > 100, "it was about the grant before");
}

#[test]
fn contention_for_another_lease_is_ignored() {
    let mut queue = TestQueue::held();
    assert_eq!(queue.contended(0, 5), nothing());
    assert!(max_handoffs(&mut queue, 1, params) > 100);
}

#[test]
fn handoffs_for_one_second_while_no_other_process_waits() {
    let mut queue = TestQueue::held();
    assert_eq!(max_handoffs(&mut queue, 1, params), millis(MAX_LOCAL_STREAK) - 1);
}

#[test]
fn handoffs_end_50_ms_after_contention() {
    for (notice, last) in
        [(100, 100 + millis(MAX_STREAK_CONTENDED)), (990, millis(MAX_LOCAL_STREAK))]
    {
        for (now, goes_on) in [(last - 1, true), (last, false)] {
            let mut queue = TestQueue::held();
            queue.join("second", params(1));
            queue.contended(notice, 1);
            assert_eq!(queue.released(now).start.is_some(), goes_on, "{notice} {now}");
        }
    }
}

#[test]
fn no_handoff_with_little_validity_left() {
    let (long, short) = (TERMS, LeaseTerms { ttl: Nanos::of(ms(100)), ..TERMS });
    for (terms, left, goes_on) in
        [(long, 250, true), (long, 249, false), (short, 50, true), (short, 49, false)]
    {
        let params = |now| AcquireParams { terms, ..params(now) };
        let mut queue = TestQueue::new();
        queue.join("first", params(0));
        queue.granted_until(0, PLENTY, false, at(10 + left));
        queue.join("second", params(1));
        let local_view = queue.released(10);
        if goes_on {
            assert_eq!(local_view, starts("second", FIRST + 1), "{terms:?} {left}");
        } else {
            assert_eq!(local_view, releases_and_acquires(1, 2), "{terms:?} {left}");
        }
    }
}

#[test]
fn a_renewal_allows_handoffs_again_and_the_next_section_sees_it() {
    let mut queue = TestQueue::new();
    queue.join("first", params(0));
    queue.granted_until(0, PLENTY, false, at(100));
    queue.join("second", params(1));
    queue.queue.renewed(request_id(2), at(5000));
    queue.queue.renewed(request_id(1), at(400));
    assert_eq!(queue.released(150), starts("second", FIRST + 1));
    assert_eq!(queue.queue.valid_until(), Some(at(400)));
}

#[test]
fn a_waiter_with_other_terms_asks_the_server() {
    for terms in [
        LeaseTerms { ttl: Nanos::of(TTL * 2), ..TERMS },
        LeaseTerms { renew: false, ..TERMS },
        LeaseTerms { max_hold: None, ..TERMS },
        LeaseTerms { max_hold: Some(Nanos::of(DAY / 2)), ..TERMS },
    ] {
        let mut queue = TestQueue::held();
        queue.join("same", params(1));
        queue.join("other", AcquireParams { terms, ..params(2) });
        queue.join("same again", params(3));
        assert_eq!(queue.released(4), starts("same", FIRST + 1));
        assert_eq!(queue.released(5), releases_and_acquires(1, 2), "{terms:?}");
        let next = queue.next_fence;
        assert_eq!(queue.granted(6, 4, false), starts("other", next));
        assert_eq!(queue.released(7), releases_and_acquires(2, 3));
    }
}

#[test]
fn a_lease_with_a_raised_ttl_is_handed_to_waiters_with_that_ttl() {
    let longer = |now| AcquireParams {
        terms: LeaseTerms { ttl: Nanos::of(TTL * 2), ..TERMS },
        ..params(now)
    };
    for (next, goes_on) in [(params(1), false), (longer(1), true)] {
        let mut queue = TestQueue::held();
        queue.queue.ttl_raised(request_id(1), TTL / 2);
        queue.queue.ttl_raised(request_id(1), TTL * 2);
        queue.join("next", next);
        assert_eq!(queue.released(2).start.is_some(), goes_on);
    }
}

#[test]
fn a_lease_without_renewal_is_never_handed_off() {
    let once = |now| AcquireParams { terms: LeaseTerms { renew: false, ..TERMS }, ..params(now) };
    let mut queue = TestQueue::new();
    queue.join("first", once(0));
    assert_eq!(queue.fence_count, 1, "more tokens would be of no use");
    queue.granted(0, 1, false);
    queue.join("second", once(1));
    assert_eq!(queue.released(2), releases_and_acquires(1, 2));
}

#[test]
fn a_max_hold_restarts_with_each_handoff() {
    for (max_hold, restarts) in [(ms(2000), true), (DAY, false)] {
        let params = |now| AcquireParams {
            terms: LeaseTerms { max_hold: Some(Nanos::of(max_hold)), ..TERMS },
            ..params(now)
        };
        let mut queue = TestQueue::held_with(params(0));
        queue.join("second", params(1));
        let reset_max_hold = restarts.then_some(request_id(1));
        let started = Seen { reset_max_hold, ..starts("second", FIRST + 1) };
        assert_eq!(queue.released(2), started, "{max_hold:?}");
    }
}

#[test]
fn after_a_direct_release_the_next_waiter_asks_the_server() {
    let mut queue = TestQueue::held();
    queue.join("second", params(1));
    assert_eq!(queue.released_directly(1), acquires(2), "the section releases it itself");
    assert_eq!(queue.released_directly(1), nothing());
    let next = queue.next_fence;
    assert_eq!(queue.granted(2, 4, false), starts("second", next));
    assert_eq!(queue.released_directly(2), nothing());
    assert!(queue.queue.is_vacant());
}

/// Uses some tokens of a lease. Returns how many it reserved.
fn use_tokens(queue: &mut TestQueue, now: u64, used: impl Fn(u32) -> u32) -> u32 {
    queue.join("first", params(now));
    let size = queue.fence_count;
    queue.granted(now, size, false);
    for _ in 1..used(size) {
        queue.join("next", params(now));
        queue.released(now);
    }
    assert!(queue.released(now).release.is_some());
    size
}

#[test]
fn the_fence_count_follows_the_use_of_tokens() {
    let mut queue = TestQueue::new();
    let sizes: Vec<_> = (0..11).map(|now| use_tokens(&mut queue, now, |size| size)).collect();
    assert_eq!(sizes, [4, 8, 16, 32, 64, 128, 256, 512, MAX_FENCE_RANGE, MAX_FENCE_RANGE, 1024]);
    assert_eq!(use_tokens(&mut queue, 20, |size| size / 2), MAX_FENCE_RANGE);
    let sizes: Vec<_> = (30..40).map(|now| use_tokens(&mut queue, now, |_| 1)).collect();
    assert_eq!(sizes, [1024, 512, 256, 128, 64, 32, 16, 8, 4, 4]);
}

#[test]
fn a_lease_without_renewal_does_not_change_the_fence_count() {
    let once = |now| AcquireParams { terms: LeaseTerms { renew: false, ..TERMS }, ..params(now) };
    let mut queue = TestQueue::new();
    for now in 0..20 {
        queue.join("once", once(now));
        queue.granted(now, 1, false);
        assert_eq!(queue.released(now), releases(u128::from(now) + 1));
    }
    queue.join("renewed", params(30));
    assert_eq!(queue.fence_count, 4);
}

#[test]
fn sections_are_short_while_their_average_is() {
    let mut queue = TestQueue::held();
    assert!(queue.queue.has_short_sections(), "none has ended");
    let mut run = |length: u64, count: usize| {
        for _ in 0..count {
            let (id, fence) = queue.running.expect("a section runs");
            let since = queue.queue.running().expect("it runs").since;
            queue.join("next", AcquireParams { since, ..params(0) });
            let end = since.plus(Duration::from_micros(length));
            queue.queue.released(end, id, fence);
            queue.see();
        }
        queue.queue.has_short_sections()
    };
    assert!(run(49, 20));
    assert!(!run(200, 1), "one long section is enough");
    assert!(run(1, 10), "and ten short ones");
    assert!(!run(51, 20));
}

#[test]
fn the_first_handoff_is_recorded_if_nothing_is_heard_of_others_before() {
    let records = |name| Some(request_id(name));
    let mut queue = TestQueue::new();
    queue.queue.listens_late = true;
    queue.join("first", params(0));
    queue.granted(0, PLENTY, false);
    queue.join("second", params(1));
    queue.join("third", params(1));
    let first = Seen { reset_max_hold: records(1), ..starts("second", FIRST + 1) };
    assert_eq!(queue.released(2), first);
    assert_eq!(queue.released(3), starts("third", FIRST + 2), "once is enough");
    // Of this lease it is known that others wait.
    let mut queue = TestQueue::new();
    queue.queue.listens_late = true;
    queue.join("first", params(0));
    queue.granted(0, PLENTY, true);
    queue.join("second", params(1));
    assert_eq!(queue.released(2), starts("second", FIRST + 1));
}
