//! Branches of the scripts that random sequences rarely reach, each on both sides.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::backend::memory::store::fence_counter::WaitKind;
use crate::backend::memory::tests::commands::{
    BLOCK, BOUND, KEY, QUARANTINE, once, owner_info, queueing, release, request, request_id,
};
use crate::backend::memory::tests::parity::{Both, DEAD, LIVE, Pair, START};
use crate::types::fence::Fence;
use crate::types::pause::PauseReason;
use crate::types::request_id::RequestId;
use crate::wire::command::{Acquire, Command, Enqueue, LostHold, Renewal, RequestRef};
use crate::wire::keyspace::{DataLossGrace, Mark, WAITER_LEASE};
use crate::wire::reply::{
    AcquireReply, BlockedBy, Notification, Page, RawReply, ReclaimReply, RenewalReply, Reply,
};

const MINUTE: Duration = Duration::from_mins(1);

fn cancel(number: u8, tombstone: Duration) -> Command {
    cancel_hold(number, Fence::ZERO, tombstone)
}

pub(crate) fn cancel_hold(number: u8, fence: Fence, tombstone: Duration) -> Command {
    let (request, keep) = (request(request_id(number)), Duration::ZERO);
    Command::Cancel { request, fence, tombstone, keep }
}

/// Puts a hold back that none but the first master has granted and confirmed.
pub(crate) fn reclaim_hold(number: u8, first: Fence) -> Command {
    reclaim_confirmed(number, first, 0)
}

/// The same of a hold that this one has confirmed last.
fn reclaim_confirmed(number: u8, first: Fence, confirmed_by: u32) -> Command {
    let masters = [0, confirmed_by].map(Mark::from);
    Command::Reclaim(once(request_id(number)), LostHold { first, masters })
}

pub(crate) fn renew_waiter(number: u8) -> Command {
    Command::Renew(vec![Renewal::Waiter {
        key: KEY.into(),
        id: request_id(number),
        lease: WAITER_LEASE,
    }])
}

/// A renewal of the hold that is there.
fn renew_hold(both: &mut Both, number: u8, ttl: Duration) -> Reply {
    let renewal = both.renewal(number, ttl);
    both.same(Command::Renew(vec![renewal]))
}

fn inspect() -> Command {
    Command::Inspect { key: KEY.into(), limit: 10 }
}

#[test]
fn a_tombstone_refuses_the_late_acquire_until_it_is_over() {
    let mut both = Both::new();
    let tombstone = Duration::from_secs(3);
    assert_eq!(both.same(cancel(1, tombstone)), Reply::Released(false));
    assert_eq!(both.acquire(once(request_id(1))), AcquireReply::Cancelled);
    assert_eq!(both.acquire(queueing(request_id(1), LIVE[0])), AcquireReply::Cancelled);
    both.granted(once(request_id(2)));
    assert!(both.release(request_id(2)));
    both.advance(tombstone * 2);
    both.granted(once(request_id(1)));
}

#[test]
fn a_cancel_without_tombstone_lets_the_same_request_ask_again() {
    let mut both = Both::new();
    let fence = both.granted(once(request_id(1)));
    assert_eq!(both.same(cancel_hold(1, fence, Duration::ZERO)), Reply::Released(true));
    both.granted(once(request_id(1)));
}

#[test]
fn a_cancel_of_a_hold_grants_to_the_next() {
    let mut both = Both::new();
    let fence = both.granted(once(request_id(1)));
    both.busy(queueing(request_id(2), LIVE[0]));
    assert_eq!(both.same(cancel_hold(1, fence, MINUTE)), Reply::Released(true));
    assert_eq!(both.notified().last(), Some(&request_id(2)));
}

#[test]
fn a_lost_push_is_made_good_by_asking_again() {
    let mut both = Both::new();
    both.granted(once(request_id(1)));
    both.busy(queueing(request_id(2), LIVE[1]));
    assert!(both.release(request_id(1)));
    let pushed = both.messages.pop().expect("a grant");
    assert_eq!(pushed.inbox, LIVE[1]);
    let (notified, fences) = pushed.granted().expect("a grant");
    assert_eq!(notified, request_id(2));
    assert_eq!(both.grant(queueing(request_id(2), LIVE[1])).fences, fences);
    both.advance(Duration::from_secs(10));
    assert_eq!(both.grant(once(request_id(2))).fences, fences, "the claim became the full ttl");
}

#[test]
fn a_grant_that_is_not_claimed_passes_to_the_next_request() {
    let mut both = Both::new();
    both.granted(once(request_id(1)));
    both.busy(queueing(request_id(2), LIVE[0]));
    assert!(both.release(request_id(1)));
    assert_eq!(both.busy(once(request_id(3))).ahead, 0);
    both.advance(Duration::from_millis(2_500));
    let fence = both.granted(once(request_id(3)));
    assert!(both.grants().all(|(_, fences)| fence > fences.last()));
    assert_eq!(renew_hold(&mut both, 2, MINUTE), Reply::Renewed(vec![RenewalReply::NotHeld]));
}

#[test]
fn a_dead_waiter_is_skipped_at_release() {
    let mut both = Both::new();
    both.granted(once(request_id(1)));
    both.busy(queueing(request_id(2), LIVE[0]));
    both.advance(Duration::from_millis(1_500));
    both.busy(queueing(request_id(3), LIVE[1]));
    both.advance(Duration::from_millis(1_500));
    both.same(renew_waiter(3));
    assert!(both.release(request_id(1)));
    assert_eq!(both.notified(), [request_id(3)]);
    assert_eq!(both.same(renew_waiter(2)), Reply::Renewed(vec![RenewalReply::AcquireAgain]));
}

#[test]
fn a_waiter_that_cannot_be_notified_is_skipped_at_release() {
    let mut both = Both::new();
    both.granted(once(request_id(1)));
    both.busy(queueing(request_id(2), DEAD));
    both.busy(queueing(request_id(3), LIVE[0]));
    assert!(both.release(request_id(1)));
    assert_eq!(both.notified(), [request_id(3)]);
}

#[test]
fn a_free_lock_goes_to_the_request_when_no_earlier_waiter_can_be_notified() {
    let mut both = Both::new();
    both.granted(Acquire { ttl: Duration::from_secs(1), ..once(request_id(1)) });
    both.busy(queueing(request_id(2), DEAD));
    both.advance(Duration::from_millis(1_500));
    both.granted(once(request_id(3)));
}

#[test]
fn a_waiter_behind_others_gets_the_lock_without_a_notification() {
    let mut both = Both::new();
    both.granted(Acquire { ttl: Duration::from_secs(1), ..once(request_id(1)) });
    both.busy(queueing(request_id(2), DEAD));
    assert_eq!(both.busy(queueing(request_id(3), DEAD)).ahead, 1);
    both.advance(Duration::from_millis(1_500));
    both.granted(queueing(request_id(3), DEAD));
}

#[test]
fn the_head_of_the_queue_that_takes_a_free_lock_grants_to_those_behind_it() {
    let mut both = Both::new();
    both.granted(Acquire { ttl: Duration::from_secs(1), ..once(request_id(1)) });
    both.busy(queueing(request_id(2), LIVE[0]));
    both.busy(queueing(request_id(3), LIVE[1]));
    both.advance(Duration::from_millis(1_500));
    both.granted(queueing(request_id(2), LIVE[0]));
    assert_eq!(both.notified(), []);
    assert!(both.release(request_id(2)));
    assert_eq!(both.notified(), [request_id(3)]);
}

#[test]
fn a_skipped_waiter_queues_again_at_its_old_place() {
    let mut both = Both::new();
    both.granted(once(request_id(1)));
    let ticket = both.busy(queueing(request_id(2), LIVE[0])).ticket;
    both.advance(Duration::from_secs(5));
    both.busy(queueing(request_id(3), LIVE[0]));
    let enqueue = Some(Enqueue { ticket, lease: WAITER_LEASE });
    let again = both.busy(Acquire { enqueue, ..once(request_id(2)) });
    assert_eq!((again.ahead, again.ticket), (0, ticket));
}

#[test]
fn a_waiter_whose_first_reply_was_lost_learns_its_place() {
    let mut both = Both::new();
    both.granted(once(request_id(1)));
    let first = both.busy(queueing(request_id(2), LIVE[0]));
    assert!(first.ticket.is_some());
    assert_eq!(both.busy(queueing(request_id(2), LIVE[0])).ticket, first.ticket);
}

#[test]
fn a_foreign_key_counts_as_busy_and_is_never_touched() {
    let mut both = Both::new();
    both.put_not_a_lock(KEY);
    let busy = both.busy(queueing(request_id(1), LIVE[0]));
    assert_eq!((busy.blocked_by, busy.left), (BlockedBy::KeyConflict, None));
    assert!(!both.release(request_id(1)));
    assert_eq!(both.same(cancel(1, MINUTE)), Reply::Released(false));
    assert_eq!(both.same(renew_waiter(1)), Reply::Renewed(vec![RenewalReply::AcquireAgain]));
    assert_eq!(renew_hold(&mut both, 1, MINUTE), Reply::Renewed(vec![RenewalReply::NotHeld]));
    let Reply::Inspection(seen) = both.same(inspect()) else { panic!("not an inspection") };
    assert!(seen.not_a_lock && seen.holder.is_none());
    let kept: Vec<String> =
        redis::from_redis_value(both.raw(&["LRANGE", "lock:{order:7}", "0", "-1"])).unwrap();
    assert_eq!(kept, ["not a lock"]);
}

#[test]
fn a_text_that_expires_is_the_lock_of_another_kind_of_client() {
    let mut both = Both::new();
    both.put_other_client_lock(KEY, MINUTE);
    let busy = both.busy(queueing(request_id(1), LIVE[0]));
    assert_eq!(busy.blocked_by, BlockedBy::Holder(None));
    assert!(busy.left.is_some_and(|left| left <= MINUTE));
    assert_eq!(both.same(renew_waiter(1)), Reply::Renewed(vec![RenewalReply::AcquireAgain]));
    assert!(!both.release(request_id(1)));
    let Reply::Inspection(seen) = both.same(inspect()) else { panic!("not an inspection") };
    assert!(seen.not_a_lock && seen.left.is_some());
    both.advance(MINUTE * 2);
    both.granted(queueing(request_id(1), LIVE[0]));
}

/// As many as one script removes, and one.
const MANY: u32 = 201;

#[test]
fn one_script_removes_a_limited_number_of_dead_waiters_and_the_next_continues() {
    let mut both = Both::new();
    both.granted(once(request_id(1)));
    for number in 0..MANY {
        let ask = queueing(RequestId::from_bits(u128::from(number) + 1), LIVE[0]);
        both.busy(ask);
    }
    both.advance(Duration::from_millis(2_100));
    both.busy(queueing(request_id(2), LIVE[1]));
    let Reply::Inspection(seen) = both.same(inspect()) else { panic!("not an inspection") };
    assert_eq!(seen.waiting, u64::from(MANY) + 1 - 100, "a hundred are looked at");
    assert!(both.release(request_id(1)));
    assert_eq!(both.notified(), [], "one is left before the living");
    let busy = both.busy(once(request_id(3)));
    let BlockedBy::Holder(Some(holder)) = busy.blocked_by else { panic!("{busy:?}") };
    assert_eq!((holder.id, busy.ahead), (request_id(2), 0));
    assert_eq!(both.notified(), [request_id(2)]);
}

#[test]
fn a_grant_waits_no_longer_than_its_ttl_and_the_next_learns_when_it_is_over() {
    let ttl = Duration::from_millis(300);
    let mut both = Both::new();
    both.granted(once(request_id(1)));
    both.busy(Acquire { ttl, ..queueing(request_id(2), LIVE[0]) });
    both.busy(Acquire { ttl, ..queueing(request_id(3), LIVE[1]) });
    both.busy(queueing(request_id(4), LIVE[0]));
    assert!(both.release(request_id(1)));
    let Reply::Inspection(seen) = both.same(inspect()) else { panic!("not an inspection") };
    assert!(seen.left.is_some_and(|left| left <= ttl), "{:?}", seen.left);
    let first = |both: &Both| both.messages.last().map(|message| message.notice);
    assert_eq!(first(&both), Some(Notification::FirstInQueue(request_id(3), ttl)));
    // The next one takes it by asking; a long hold is announced to no waiter.
    both.advance(ttl * 2);
    both.granted(Acquire { ttl, ..queueing(request_id(3), LIVE[1]) });
    assert_eq!(first(&both), Some(Notification::FirstInQueue(request_id(4), ttl)));
    let notified = both.messages.len();
    both.busy(queueing(request_id(5), LIVE[1]));
    assert!(both.release(request_id(3)));
    assert_eq!(both.messages.len(), notified + 1, "the grant alone");
}

#[test]
fn after_the_work_of_one_script_a_free_lock_is_asked_for_again_at_once() {
    let mut both = Both::new();
    both.granted(once(request_id(1)));
    for number in 0..2 * MANY {
        both.busy(queueing(RequestId::from_bits(u128::from(number) + 1), LIVE[0]));
    }
    both.advance(Duration::from_millis(2_100));
    assert!(both.release(request_id(1)));
    let busy = both.busy(once(request_id(3)));
    assert_eq!((busy.blocked_by, busy.left), (BlockedBy::Holder(None), Some(Duration::ZERO)));
}

#[test]
fn an_inbox_without_a_subscriber_is_tried_once_and_few_of_them_by_one_script() {
    let mut both = Both::new();
    both.granted(once(request_id(1)));
    for number in 0..30 {
        both.busy(queueing(RequestId::from_bits(number + 1), DEAD));
    }
    both.busy(queueing(request_id(2), LIVE[0]));
    assert!(both.release(request_id(1)));
    assert_eq!(both.notified(), [request_id(2)], "all of one process count as dead");

    for number in 0..15 {
        both.busy(queueing(RequestId::from_bits(number + 1), &format!("lock:inbox:dead:{number}")));
    }
    both.busy(queueing(request_id(3), LIVE[0]));
    assert!(both.release(request_id(2)));
    assert_eq!(both.notified(), [request_id(2)], "fifteen processes are too many");
    both.busy(once(request_id(4)));
    assert_eq!(both.notified(), [request_id(2), request_id(3)]);
}

#[test]
fn a_tombstone_that_is_over_refuses_nothing_though_newer_ones_keep_the_key() {
    let mut both = Both::new();
    both.same(cancel(1, Duration::from_secs(10)));
    both.advance(Duration::from_secs(6));
    both.same(cancel(2, Duration::from_secs(10)));
    assert_eq!(both.acquire(once(request_id(1))), AcquireReply::Cancelled);
    both.advance(Duration::from_secs(6));
    both.same(cancel(3, Duration::from_secs(10)));
    assert_eq!(both.raw(&["ZCARD", "lock:{order:7}:queue"]), redis::Value::Int(2));
    assert_eq!(both.acquire(once(request_id(2))), AcquireReply::Cancelled);
    both.granted(once(request_id(1)));
}

#[test]
fn releasing_another_requests_hold_changes_nothing() {
    let mut both = Both::new();
    let fence = both.granted(once(request_id(1)));
    both.busy(queueing(request_id(2), LIVE[0]));
    assert!(!both.release(request_id(3)));
    assert!(!both.release(request_id(2)));
    assert_eq!(both.same(cancel(3, Duration::ZERO)), Reply::Released(false));
    assert_eq!(both.granted(once(request_id(1))), fence);
    assert_eq!(both.notified(), []);
}

#[test]
fn a_deleted_counter_is_waited_out_and_tokens_go_on_rising() {
    let mut both = Both::new();
    let before = both.granted(once(request_id(1)));
    both.flush();
    let busy = both.busy(queueing(request_id(2), LIVE[0]));
    assert_eq!(busy.blocked_by, BlockedBy::DataLoss);
    assert!(busy.left.is_some_and(|left| left <= BOUND));
    both.advance(BOUND / 2);
    // Also those who are not first learn what they wait for, and for how long.
    both.busy(queueing(request_id(2), LIVE[0]));
    let busy = both.busy(queueing(request_id(3), LIVE[0]));
    assert_eq!((busy.blocked_by, busy.ahead), (BlockedBy::DataLoss, 1));
    assert!(busy.left.is_some_and(|left| left > Duration::ZERO && left <= BOUND / 2));
    both.advance(BOUND);
    let after = both.granted(queueing(request_id(2), LIVE[0]));
    assert!(after > before, "{after} after {before}");
}

#[test]
fn a_counter_behind_what_a_client_has_seen_is_waited_out() {
    for behind in [0, 1, BLOCK.into(), 1_000] {
        let mut both = Both::new();
        let min_fence = Fence::new(START + 1 + behind);
        let request = RequestRef { min_fence, ..request(request_id(1)) };
        let busy = both.busy(Acquire { request: request.clone(), ..once(request_id(1)) });
        assert_eq!(busy.blocked_by, BlockedBy::DataLoss, "{behind} behind");
        both.advance(BOUND * 2);
        assert!(both.granted(Acquire { request, ..once(request_id(1)) }) > min_fence);
    }
}

#[test]
fn a_client_without_a_grace_period_continues_at_once_and_all_others_wait() {
    let mut both = Both::new();
    let before = both.granted(once(request_id(1)));
    both.flush();
    let at_once = |number, key: &str| {
        let data_loss_grace = DataLossGrace { waits: false, ..QUARANTINE };
        let request =
            RequestRef { data_loss_grace, key: key.into(), ..request(request_id(number)) };
        Acquire { request, ..once(request_id(number)) }
    };
    let first = both.granted(at_once(2, "one"));
    assert!(first > before, "{first} after {before}");
    assert_eq!(both.busy(once(request_id(3))).blocked_by, BlockedBy::DataLoss);
    let second = both.granted(at_once(4, "another"));
    assert!(second > first, "{second} after {first}");
    both.advance(BOUND);
    let after = both.granted(once(request_id(3)));
    assert!(after > second, "{after} after {second}");
}

#[test]
fn a_loss_is_waited_out_for_the_longest_lease_that_anybody_knows_of_in_that_time() {
    let mut both = Both::new();
    let knows = |max_lease| {
        let data_loss_grace = DataLossGrace { max_lease, waits: true };
        Acquire {
            request: RequestRef { data_loss_grace, ..request(request_id(1)) },
            ..once(request_id(1))
        }
    };
    both.granted(once(request_id(2)));
    both.flush();
    assert!(both.busy(knows(BOUND)).left.is_some_and(|left| left <= BOUND));
    both.advance(BOUND / 2);
    let left = both.busy(knows(BOUND * 3)).left.unwrap();
    assert!(left > BOUND * 2 && left <= BOUND * 5 / 2, "counted from the loss: {left:?}");
    // Those who know of less do not take it back.
    both.advance(BOUND);
    assert_eq!(both.busy(knows(BOUND)).blocked_by, BlockedBy::DataLoss);
    both.advance(BOUND * 2);
    both.granted(knows(BOUND));
}

#[test]
fn a_loss_that_a_clock_shows_in_the_future_is_waited_out_from_now() {
    let mut both = Both::new();
    both.raw(&["DEL", "lock:tokens"]);
    let waits = "m00000000 l 9000000000000000 1";
    both.raw(&["HSET", "lock:tokens", "w", waits, "c", "0"]);
    let answer = both.ask(&Command::Acquire(once(request_id(1)))).unwrap();
    let reply = Command::Acquire(once(request_id(1))).decode(&answer).unwrap();
    let Reply::Acquire(AcquireReply::Busy(busy)) = reply else { panic!("{reply:?}") };
    assert!(busy.left.is_some_and(|left| left <= BOUND), "{busy:?}");
}

#[test]
fn a_release_during_the_quarantine_leaves_the_waiters_queued() {
    let mut both = Both::new();
    both.granted(once(request_id(1)));
    both.busy(queueing(request_id(2), LIVE[0]));
    let min_fence = Fence::new(START + 1_000);
    let elsewhere = RequestRef { min_fence, key: "other".into(), ..request(request_id(3)) };
    let busy = both.busy(Acquire { request: elsewhere, ..once(request_id(3)) });
    assert_eq!(busy.blocked_by, BlockedBy::DataLoss);
    assert!(both.release(request_id(1)));
    assert_eq!(both.notified(), []);
    let Reply::Inspection(seen) = both.same(inspect()) else { panic!("not an inspection") };
    assert_eq!((seen.holder, seen.waiting), (None, 1));
}

#[test]
fn a_release_grants_nothing_from_a_counter_that_lost_its_data_and_leaves_it_as_it_is() {
    for counter in [None, Some("17"), Some("mine")] {
        let mut both = Both::new();
        both.granted(once(request_id(1)));
        both.busy(queueing(request_id(2), LIVE[0]));
        both.raw(&["DEL", "lock:tokens"]);
        if let Some(counter) = counter {
            both.raw(&["HSET", "lock:tokens", "m00000000", counter]);
        }
        let released = both.ask(&release(request(request_id(1)))).expect("an answer");
        assert_eq!(released, RawReply::Int(1), "{counter:?}");
        let kept: Option<String> =
            redis::from_redis_value(both.raw(&["HGET", "lock:tokens", "m00000000"])).expect("text");
        assert_eq!(kept.as_deref(), counter);
        assert_eq!(both.raw(&["EXISTS", "lock:{order:7}"]), redis::Value::Int(0));
        assert_eq!(both.raw(&["ZCARD", "lock:{order:7}:queue"]), redis::Value::Int(1));
        assert!(matches!(both.raw(&["PTTL", "lock:{order:7}:queue"]), redis::Value::Int(1..)));
    }
}

#[test]
fn a_tombstone_before_the_first_waiter_changes_no_handoff_and_is_kept() {
    let mut both = Both::new();
    both.granted(once(request_id(1)));
    both.same(cancel(9, MINUTE));
    assert_eq!(both.busy(queueing(request_id(2), LIVE[0])).ahead, 0);
    assert_eq!(both.busy(queueing(request_id(3), LIVE[0])).ahead, 1);
    assert!(both.release(request_id(1)));
    assert!(both.release(request_id(2)));
    assert_eq!(both.notified(), [request_id(2), request_id(3)]);
    both.same(cancel(9, Duration::ZERO));
    assert!(both.release(request_id(3)));
    assert!(matches!(both.raw(&["PTTL", "lock:{order:7}:queue"]), redis::Value::Int(1..)));
    assert_eq!(both.acquire(once(request_id(9))), AcquireReply::Cancelled);
    assert!(!both.grant(once(request_id(4))).contended, "a tombstone is no waiter");
}

#[test]
fn only_a_missing_counter_is_opened() {
    let mut both = Both::new();
    let min_fence = Pair { server: Fence::ZERO, memory: Fence::ZERO };
    assert_eq!(both.open(min_fence, BOUND, true), Ok(None));
    both.granted(once(request_id(9)));
    both.flush();
    assert_eq!(both.open(min_fence, BOUND, true), Ok(Some(WaitKind::Loss)));
    assert_eq!(both.busy(once(request_id(1))).blocked_by, BlockedBy::DataLoss);
    both.flush();
    assert_eq!(both.open(min_fence, BOUND, false), Ok(None));
    both.granted(once(request_id(1)));
}

#[test]
fn an_inspection_shows_the_holder_and_the_live_waiters() {
    let mut both = Both::new();
    let fence = both.granted(once(request_id(1)));
    both.busy(queueing(request_id(2), LIVE[0]));
    both.advance(Duration::from_millis(1_500));
    both.busy(queueing(request_id(3), LIVE[0]));
    both.busy(queueing(request_id(4), LIVE[0]));
    both.advance(Duration::from_secs(1));
    let Reply::Inspection(seen) = both.same(Command::Inspect { key: KEY.into(), limit: 1 }) else {
        panic!("not an inspection")
    };
    let holder = seen.holder.expect("it is held");
    assert_eq!(
        (holder.id, holder.fence, holder.owner),
        (request_id(1), fence, owner_info(request_id(1)))
    );
    assert_eq!((seen.waiting, seen.waiters.len()), (2, 1));
    assert_eq!(
        (seen.waiters[0].id, &seen.waiters[0].owner),
        (request_id(3), &owner_info(request_id(3)))
    );
}

#[test]
fn nothing_is_left_of_a_lock_when_everything_is_over() {
    let mut both = Both::new();
    both.granted(once(request_id(1)));
    both.busy(queueing(request_id(2), LIVE[0]));
    both.same(cancel(3, Duration::from_secs(1)));
    assert!(!both.memory.is_empty(both.now_us()));
    both.advance(MINUTE);
    assert!(both.memory.is_empty(both.now_us()));
    let keys: Vec<String> = redis::from_redis_value(both.raw(&["KEYS", "*"])).unwrap();
    assert_eq!(keys, ["lock:tokens"]);
}

#[test]
fn a_hold_has_a_block_of_tokens_and_the_next_one_is_above_all_of_them() {
    let mut both = Both::new();
    let first = both.grant(once(request_id(1)));
    assert_eq!((first.fences.size, first.contended), (BLOCK, false));
    assert!(both.release(request_id(1)));
    assert!(both.granted(once(request_id(2))) > first.fences.last());
}

#[test]
fn a_holder_is_notified_of_the_first_waiter_only() {
    let mut both = Both::new();
    both.granted(once(request_id(1)));
    both.busy(once(request_id(2)));
    assert_eq!(both.asked(), []);
    both.busy(queueing(request_id(2), LIVE[1]));
    both.busy(queueing(request_id(3), LIVE[1]));
    assert_eq!(both.asked(), [request_id(1)]);
    assert_eq!(both.messages[0].inbox, LIVE[0], "the holder's own inbox");
    assert!(both.release(request_id(1)));
    both.busy(queueing(request_id(4), LIVE[1]));
    assert_eq!(
        both.asked(),
        [request_id(1)],
        "a hold granted by the previous holder counts as asked"
    );
}

#[test]
fn a_renewal_reports_whether_another_process_waits() {
    let mut both = Both::new();
    both.granted(once(request_id(1)));
    assert_eq!(renew_hold(&mut both, 1, MINUTE), Reply::Renewed(vec![RenewalReply::Renewed]));
    both.busy(queueing(request_id(2), LIVE[0]));
    let contended = vec![RenewalReply::RenewedContended];
    assert_eq!(renew_hold(&mut both, 1, MINUTE), Reply::Renewed(contended));
}

#[test]
fn a_late_renewal_with_a_shorter_ttl_shortens_nothing() {
    let mut both = Both::new();
    both.granted(once(request_id(1)));
    renew_hold(&mut both, 1, MINUTE);
    let renewed = Reply::Renewed(vec![RenewalReply::Renewed]);
    assert_eq!(renew_hold(&mut both, 1, Duration::from_millis(300)), renewed);
    let Reply::Inspection(found) = both.same(inspect()) else { panic!("not an inspection") };
    assert!(found.left > Some(MINUTE / 2), "{found:?}");
}

#[test]
fn a_large_block_never_carries_the_counter_far_ahead_of_the_clock() {
    let mut both = Both::new();
    both.raw(&["HSET", "lock:tokens", "m00000000", "2100000000000000"]);
    let ask = Acquire { fence_count: 400, ..once(request_id(1)) };
    let answer = both.ask(&Command::Acquire(ask.clone())).expect("a grant");
    let reply = Command::Acquire(ask).decode(&answer).expect("a grant");
    let Reply::Acquire(AcquireReply::Granted(grant)) = reply else { panic!("{reply:?}") };
    assert_eq!((grant.fences.size, grant.fences.first.get()), (16, 2_100_000_000_000_001));
}

pub(crate) const NOTHING_SEEN: Pair<Fence> = Pair { server: Fence::ZERO, memory: Fence::ZERO };
pub(crate) const GRACE: Duration = Duration::from_secs(60);

#[test]
fn a_promoted_server_grants_nothing_before_its_grace_is_over_and_then_higher_tokens() {
    let mut both = Both::new();
    let before = both.granted(once(request_id(1)));
    assert!(both.release(request_id(1)));
    both.promote(7);
    let open = |both: &mut Both, grace| both.open_with_grace(NOTHING_SEEN, BOUND, grace, true);
    assert_eq!(open(&mut both, GRACE / 2), Ok(Some(WaitKind::Failover)));
    assert_eq!(open(&mut both, GRACE), Ok(Some(WaitKind::Failover)), "the longest one counts");
    assert_eq!(open(&mut both, Duration::ZERO), Ok(Some(WaitKind::Failover)));
    let careless = DataLossGrace { max_lease: BOUND, waits: false };
    let request = RequestRef { data_loss_grace: careless, ..request(request_id(2)) };
    for ask in [once(request_id(1)), Acquire { request, ..once(request_id(2)) }] {
        let busy = both.busy(ask);
        assert_eq!(busy.blocked_by, BlockedBy::Failover);
        assert!(busy.left.is_some_and(|left| left > GRACE * 9 / 10 && left <= GRACE));
    }
    both.advance(GRACE);
    assert!(both.granted(once(request_id(1))).get() > before.get() + 1_000_000);
    assert_eq!(open(&mut both, GRACE), Ok(None), "it is open for good");
}

#[test]
fn a_promotion_in_the_middle_of_another_wait_keeps_what_was_lost() {
    let mut both = Both::new();
    both.granted(once(request_id(1)));
    both.flush();
    assert_eq!(both.open(NOTHING_SEEN, BOUND * 3, true), Ok(Some(WaitKind::Loss)));
    both.promote(8);
    let opened = both.open_with_grace(NOTHING_SEEN, BOUND, GRACE, true);
    assert_eq!(opened, Ok(Some(WaitKind::Loss)));
    both.advance(BOUND * 2);
    assert_eq!(both.busy(once(request_id(1))).blocked_by, BlockedBy::DataLoss);
    both.advance(BOUND * 2);
    both.granted(once(request_id(1)));
}

#[test]
fn without_a_grace_a_promoted_server_grants_at_once_and_higher_tokens() {
    let mut both = Both::new();
    let before = both.granted(once(request_id(1)));
    both.promote(9);
    let opened = both.open_with_grace(NOTHING_SEEN, BOUND, Duration::ZERO, true);
    assert_eq!(opened, Ok(None));
    assert!(both.release(request_id(1)));
    assert!(both.granted(once(request_id(2))).get() > before.get() + 1_000_000);
}

#[test]
fn a_connection_to_another_primary_draws_nothing_and_is_told_so() {
    let mut both = Both::new();
    both.granted(once(request_id(1)));
    both.busy(queueing(request_id(2), LIVE[0]));
    both.mark = 5.into();
    let released = both.ask(&release(request(request_id(1)))).expect("an answer");
    assert_eq!(released, RawReply::Int(1));
    let asks = Notification::FirstInQueue(request_id(2), Duration::ZERO);
    assert_eq!(both.sent().pop().map(|message| message.notice), Some(asks));
    let error = both.ask(&Command::Acquire(once(request_id(3)))).expect_err("not its tokens");
    assert_eq!(error.code(), Some("UNOPENED"));
    let fields = both.raw(&["HKEYS", "lock:tokens"]);
    assert_eq!(redis::from_redis_value::<Vec<String>>(fields).unwrap(), ["m00000000"]);
    assert_eq!(both.raw(&["ZCARD", "lock:{order:7}:queue"]), redis::Value::Int(1));
}

#[test]
fn a_lost_hold_is_put_back_while_a_failover_is_waited_out_and_never_else() {
    let mut both = Both::new();
    let first = both.granted(once(request_id(1)));
    let reclaim = |id| reclaim_hold(id, first);
    let put_back =
        |both: &mut Both, id| both.same(reclaim(id)) == Reply::Reclaimed(ReclaimReply::Held);
    assert!(put_back(&mut both, 1), "it is there");
    both.raw(&["DEL", "lock:{order:7}"]);
    both.memory.delete_hold("order:7");
    assert!(!put_back(&mut both, 1), "not on a server that has granted it");
    both.promote(7);
    let opened = both.open_with_grace(NOTHING_SEEN, BOUND, GRACE, true);
    assert_eq!(opened, Ok(Some(WaitKind::Failover)));
    assert!(put_back(&mut both, 1) && put_back(&mut both, 1));
    assert!(!put_back(&mut both, 2), "it is held");
    assert!(both.release(request_id(1)));
    both.advance(GRACE);
    assert!(both.granted(once(request_id(2))) > first);
    assert!(!put_back(&mut both, 1));
}

/// The failover has lost the end of the first hold and the grant of the second one.
#[test]
fn an_older_hold_is_in_the_way_until_it_is_released_again() {
    let mut both = Both::new();
    let older = both.granted(once(request_id(1)));
    let later = Fence::new(older.get() + 100);
    let outcome = |both: &mut Both, number, fence| match both.same(reclaim_hold(number, fence)) {
        Reply::Reclaimed(reply) => reply,
        reply => panic!("{reply:?}"),
    };
    assert_eq!(outcome(&mut both, 2, later), ReclaimReply::Refused, "no failover");
    both.promote(7);
    let opened = both.open_with_grace(NOTHING_SEEN, BOUND, GRACE, true);
    assert_eq!(opened, Ok(Some(WaitKind::Failover)));
    assert_eq!(outcome(&mut both, 2, later), ReclaimReply::OlderHold);
    assert_eq!(outcome(&mut both, 2, Fence::new(older.get() - 1)), ReclaimReply::Refused);
    assert_eq!(both.same(cancel_hold(1, older, Duration::ZERO)), Reply::Released(true));
    assert_eq!(outcome(&mut both, 2, later), ReclaimReply::Held);
    assert_eq!(outcome(&mut both, 1, older), ReclaimReply::Refused, "a later one is there");
    both.put_not_a_lock(KEY);
    assert_eq!(outcome(&mut both, 2, later), ReclaimReply::Refused);
}

/// Its process was cut off while another master was the primary, and that one has granted the lock.
#[test]
fn a_hold_that_a_primary_before_has_not_confirmed_in_time_is_not_put_back() {
    let mut both = Both::new();
    let first = both.granted(once(request_id(1)));
    both.raw(&["DEL", "lock:{order:7}"]);
    both.memory.delete_hold(KEY);
    both.promote(7);
    let opened = both.open_with_grace(NOTHING_SEEN, BOUND, Duration::ZERO, true);
    assert_eq!(opened, Ok(None));
    let later = both.granted(once(request_id(2)));
    assert!(both.release(request_id(2)));
    for mark in [8, 9] {
        both.promote(mark);
        let opened = both.open_with_grace(NOTHING_SEEN, BOUND, GRACE, true);
        assert_eq!(opened, Ok(Some(WaitKind::Failover)));
        assert_eq!(both.busy(once(request_id(3))).blocked_by, BlockedBy::Failover);
        let refused = Reply::Reclaimed(ReclaimReply::Refused);
        assert_eq!(both.same(reclaim_hold(1, first)), refused);
        assert_eq!(both.same(reclaim_confirmed(1, first, 6)), refused);
        // One that it has confirmed, and one that the failover has lost.
        for reclaim in
            [reclaim_confirmed(1, first, 7), reclaim_hold(2, Fence::new(later.get() + 100))]
        {
            assert_eq!(both.same(reclaim), Reply::Reclaimed(ReclaimReply::Held));
            both.raw(&["DEL", "lock:{order:7}"]);
            both.memory.delete_hold(KEY);
        }
    }
}

#[test]
fn a_hold_that_its_request_was_granted_anew_is_not_the_one_of_before() {
    let mut both = Both::new();
    let first = both.granted(once(request_id(1)));
    both.raw(&["DEL", "lock:{order:7}"]);
    both.memory.delete_hold(KEY);
    both.granted(once(request_id(2)));
    assert!(both.release(request_id(2)));
    let second = both.granted(once(request_id(1)));
    assert!(second > first);

    let renew = |fence| {
        Command::Renew(vec![Renewal::Hold {
            key: KEY.into(),
            id: request_id(1),
            fence,
            ttl: MINUTE,
        }])
    };
    assert_eq!(both.same(renew(first)), Reply::Renewed(vec![RenewalReply::NotHeld]));
    assert_eq!(both.same(renew(second)), Reply::Renewed(vec![RenewalReply::Renewed]));
    both.promote(7);
    let opened = both.open_with_grace(NOTHING_SEEN, BOUND, GRACE, true);
    assert_eq!(opened, Ok(Some(WaitKind::Failover)));
    let reclaim = |fence| reclaim_hold(1, fence);
    assert_eq!(both.same(reclaim(first)), Reply::Reclaimed(ReclaimReply::Refused));
    assert_eq!(both.same(reclaim(second)), Reply::Reclaimed(ReclaimReply::Held));
    let ended = both.same(cancel_hold(1, first, Duration::ZERO));
    assert_eq!(ended, Reply::Released(false), "the caller has lost it");
    assert_eq!(both.raw(&["EXISTS", "lock:{order:7}"]), redis::Value::Int(0), "and nobody has it");
}

#[test]
fn an_inspection_shows_who_draws_the_tokens_and_how_long_nothing_is_granted() {
    let mut both = Both::new();
    let seen = |both: &mut Both| match both.same(inspect()) {
        Reply::Inspection(seen) => (seen.mark, seen.pause),
        reply => panic!("{reply:?}"),
    };
    assert_eq!(seen(&mut both), (Some(0.into()), None));
    both.promote(7);
    assert_eq!(seen(&mut both).0, Some(0.into()), "nobody has opened them");
    let opened = both.open_with_grace(NOTHING_SEEN, BOUND, GRACE, true);
    assert_eq!(opened, Ok(Some(WaitKind::Failover)));
    let (mark, pause) = seen(&mut both);
    let pause = pause.expect("the grace period");
    assert_eq!((mark, pause.reason), (Some(7.into()), PauseReason::Failover));
    assert!(pause.left <= GRACE && pause.left + Duration::from_secs(1) > GRACE, "{pause}");
    both.advance(GRACE);
    assert_eq!(seen(&mut both), (Some(7.into()), None), "the next acquire is granted");
    both.granted(once(request_id(1)));
    assert_eq!(seen(&mut both), (Some(7.into()), None));
    both.flush();
    assert_eq!(seen(&mut both), (None, None));
    let opened = both.open(NOTHING_SEEN, BOUND, true);
    assert_eq!(opened, Ok(Some(WaitKind::Loss)));
    let (mark, pause) = seen(&mut both);
    assert_eq!(
        (mark, pause.map(|pause| pause.reason)),
        (Some(7.into()), Some(PauseReason::DataLoss))
    );
    both.flush();
    both.raw(&["SET", "lock:tokens", "another type"]);
    assert_eq!(seen(&mut both), (None, None));
}

#[test]
fn a_walk_finds_the_locks_that_are_held() {
    let mut both = Both::new();
    both.granted(once(request_id(1)));
    both.busy(queueing(request_id(2), LIVE[0]));
    for (number, key) in (3..).zip(["", "}x", "a{b}c", "free", "brief"]) {
        let request = RequestRef { key: key.into(), ..request(request_id(number)) };
        let ttl = if key == "brief" { Duration::from_millis(50) } else { MINUTE };
        both.granted(Acquire { request, ttl, ..once(request_id(number)) });
    }
    let request = RequestRef { key: "free".into(), ..request(request_id(6)) };
    let release = Command::Release { request, contended: false, keep: Duration::ZERO };
    assert_eq!(both.same(release), Reply::Released(true));
    both.advance(Duration::from_secs(1));
    let (space, now_us) = (both.space.clone(), both.now_us());
    let (mut server, mut from) = (BTreeSet::new(), 0);
    loop {
        let scan = Command::Scan { space: space.clone(), from };
        let answer = both.ask(&scan).expect("a page");
        let Ok(Reply::Page(page)) = scan.decode(&answer) else { panic!("{answer:?}") };
        server.extend(page.keys);
        from = page.next;
        if from == 0 {
            break;
        }
    }
    let scan = Command::Scan { space, from: 0 };
    let memory = both.memory.call(now_us, &scan, &mut |_, _| true);
    let Ok(Reply::Page(Page { next: 0, keys: memory })) = memory else { panic!("{memory:?}") };
    assert_eq!(server, memory.into_iter().collect());
    assert_eq!(server, [KEY, "", "}x", "a{b}c"].map(str::to_owned).into());
}

fn force_release(fence: Fence) -> Command {
    Command::ForceRelease { key: KEY.into(), fence, tombstone: MINUTE }
}

#[test]
fn a_hold_is_force_released_under_any_of_its_tokens_and_no_other() {
    for token in 0..u64::from(BLOCK) {
        let mut both = Both::new();
        assert_eq!(both.same(force_release(Fence::new(1))), Reply::Released(false), "free");
        let first = both.granted(once(request_id(1)));
        let none_of_it = [Fence::new(first.get() - 1), Fence::new(first.get() + u64::from(BLOCK))];
        for fence in none_of_it {
            assert_eq!(both.same(force_release(fence)), Reply::Released(false), "{fence}");
        }
        assert_eq!(both.messages, []);
        let released = both.same(force_release(Fence::new(first.get() + token)));
        assert_eq!(released, Reply::Released(true));
        let notified = both.messages.pop().map(|message| message.notice);
        assert_eq!(notified, Some(Notification::ForceReleased(request_id(1), first)));
        assert!(!both.release(request_id(1)));
        assert_eq!(both.acquire(once(request_id(1))), AcquireReply::Cancelled);
        both.granted(once(request_id(2)));
    }
}

#[test]
fn a_hold_that_is_force_released_goes_to_the_next_waiter() {
    let mut both = Both::new();
    let first = both.granted(once(request_id(1)));
    both.busy(queueing(request_id(2), LIVE[1]));
    both.messages.clear();
    assert_eq!(both.same(force_release(first)), Reply::Released(true));
    let about: Vec<_> = both.messages.drain(..).map(|message| message.notice).collect();
    let [released, granted] = about[..] else { panic!("{about:?}") };
    assert_eq!(released, Notification::ForceReleased(request_id(1), first));
    assert!(matches!(granted, Notification::Granted(id, fences)
        if id == request_id(2) && fences.first > first));
    assert_eq!(both.same(force_release(first)), Reply::Released(false), "that of another by now");
}

#[test]
fn a_hold_that_was_force_released_is_not_put_back_after_a_failover() {
    let mut both = Both::new();
    let first = both.granted(once(request_id(1)));
    assert_eq!(both.same(force_release(first)), Reply::Released(true));
    both.promote(7);
    let opened = both.open_with_grace(NOTHING_SEEN, BOUND, GRACE, true);
    assert_eq!(opened, Ok(Some(WaitKind::Failover)));
    let outcome = both.same(reclaim_hold(1, first));
    assert_eq!(outcome, Reply::Reclaimed(ReclaimReply::Refused));
}

#[test]
fn a_key_that_stays_taken_is_free_after_a_forced_release() {
    let mut both = Both::new();
    let first = both.granted(once(request_id(1)));
    let request = request(request_id(1));
    let kept = both.same(Command::Release { request, contended: false, keep: MINUTE });
    assert_eq!(kept, Reply::Released(true));
    both.busy(once(request_id(2)));
    assert_eq!(both.same(force_release(first)), Reply::Released(true));
    assert_eq!(both.messages, [], "no process has it");
    both.granted(once(request_id(2)));
}

#[test]
fn a_key_of_another_kind_is_never_force_released() {
    let mut both = Both::new();
    both.put_not_a_lock(KEY);
    assert_eq!(both.same(force_release(Fence::new(1))), Reply::Released(false));
    both.raw(&["DEL", "lock:{order:7}"]);
    both.put_other_client_lock(KEY, MINUTE);
    assert_eq!(both.same(force_release(Fence::new(1))), Reply::Released(false));
    both.busy(once(request_id(1)));
}
