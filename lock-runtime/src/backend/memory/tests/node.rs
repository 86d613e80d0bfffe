//! What only a node of a cluster does, on both sides.

use std::time::Duration;

use crate::backend::memory::store::MemoryStore;
use crate::backend::memory::store::fence_counter::WaitKind;
use crate::backend::memory::tests::branches::{
    GRACE, NOTHING_SEEN, cancel_hold, reclaim_hold, renew_waiter,
};
use crate::backend::memory::tests::commands::{
    BOUND, KEY, once, queueing, release, request, request_id,
};
use crate::backend::memory::tests::parity::{Both, DEAD, LIVE, Pair};
use crate::types::fence::Fence;
use crate::wire::command::{Acquire, Command, OpenTokens, RequestRef};
use crate::wire::keyspace::{DataLossGrace, Keyspace};
use crate::wire::reply::{AcquireReply, BlockedBy, ReclaimReply, RenewalReply, Reply};

/// Seen on both sides.
fn alike(fence: Fence) -> Pair<Fence> {
    Pair { server: fence, memory: fence }
}

const AT_ONCE: DataLossGrace = DataLossGrace { max_lease: Duration::ZERO, waits: true };

impl Both {
    fn reclaimed(&mut self, number: u8, first: Fence) -> ReclaimReply {
        match self.same(reclaim_hold(number, first)) {
            Reply::Reclaimed(reply) => reply,
            reply => panic!("{reply:?}"),
        }
    }

    fn fields(&mut self) -> Vec<String> {
        let tokens = self.tokens();
        redis::from_redis_value(self.raw(&["HKEYS", &tokens])).expect("a hash")
    }

    /// What both do although the slot is being migrated.
    fn same_in_open_slot(&mut self, call: Command) -> Reply {
        let calls = Pair { server: call.clone(), memory: call };
        let replies = self.call_in_open_slot(&calls).unwrap_or_else(|error| panic!("{error}"));
        replies.expect("all keys are there").server
    }

    /// A token above all that the clock leads to.
    fn ahead(&self) -> Fence {
        Fence::new(self.now_us() + 60_000_000)
    }

    fn lose_hold(&mut self) {
        let name = self.space.hold(KEY);
        self.raw(&["DEL", &name]);
        self.memory.delete_hold(KEY);
    }
}

/// A slot that master 0 has drawn a token in, on its arrival at master 7. Its locks are free.
fn arrived() -> Both {
    let mut both = Both::node(KEY);
    both.granted(once(request_id(1)));
    assert!(both.release(request_id(1)));
    both.promote(7);
    both
}

#[test]
fn a_slot_without_tokens_is_new_to_a_client_that_has_seen_none_of_it() {
    let mut both = Both::node(KEY);
    both.flush();
    let new = RequestRef { data_loss_grace: AT_ONCE, ..request(request_id(1)) };
    both.granted(Acquire { request: new, ..once(request_id(1)) });
    assert_eq!(both.fields(), ["m00000000"]);
}

/// The same of a real server is tested in a cluster that fails over.
#[test]
fn a_slot_that_is_new_on_a_promoted_master_starts_ahead_of_the_clock() {
    let now = 1_700_000_000_000_000;
    let first_of = |memory: &mut MemoryStore, number| {
        let new = RequestRef { data_loss_grace: AT_ONCE, ..request(request_id(number)) };
        let acquire = Command::Acquire(Acquire { request: new, ..once(request_id(number)) });
        match memory.call(now, &acquire, &mut |_, _| false) {
            Ok(Reply::Acquire(AcquireReply::Granted(grant))) => grant.fences.first.get(),
            reply => panic!("{reply:?}"),
        }
    };
    let mut old = MemoryStore::node(Keyspace::new("lock:"));
    old.promote(1);
    let mut promoted = old.clone();
    promoted.promote(2);
    assert_eq!(first_of(&mut old, 1), now);
    assert_eq!(first_of(&mut promoted, 2), now + 1_000_000);
    let mut empty = MemoryStore::node(Keyspace::new("lock:"));
    empty.promote(1);
    empty.promote(2);
    let slot = Keyspace::new("lock:").sharded().slot(KEY);
    let (floor, is_lost, living) = (Fence::ZERO, false, [].into());
    let open = OpenTokens { slot, floor, max_lease: BOUND, grace: Some(GRACE), is_lost, living };
    assert_eq!(empty.open_slot(now, &open), None);
    assert_eq!(first_of(&mut empty, 1), now + 1_000_001);
}

#[test]
fn the_tokens_of_another_master_are_opened_before_anything_is_granted() {
    let mut both = Both::node(KEY);
    let before = both.granted(once(request_id(1)));
    assert!(both.release(request_id(1)));
    both.promote(7);
    for ask in [once(request_id(2)), queueing(request_id(2), LIVE[0])] {
        assert!(both.is_unopened(&Command::Acquire(ask)));
    }
    assert_eq!(both.fields(), ["m00000000"], "nothing was drawn");
    let opened = both.open_beside(NOTHING_SEEN, BOUND, GRACE, true, &[5.into()]);
    assert_eq!(opened, Ok(Some(WaitKind::Failover)), "an unknown master");
    assert_eq!(both.busy(once(request_id(2))).blocked_by, BlockedBy::Failover);
    both.advance(GRACE);
    assert!(both.granted(once(request_id(2))).get() > before.get() + 1_000_000);
}

#[test]
fn a_slot_that_was_migrated_is_open_at_once_and_has_higher_tokens() {
    let mut both = Both::node(KEY);
    let before = both.granted(once(request_id(1)));
    both.promote(7);
    assert!(both.release(request_id(1)), "a release needs no tokens");
    let opened = both.open_beside(NOTHING_SEEN, BOUND, GRACE, true, &[5.into(), 0.into()]);
    assert_eq!(opened, Ok(None));
    assert_eq!(both.fields(), ["m00000007"]);
    assert!(both.granted(once(request_id(2))).get() > before.get() + 1_000_000);
    let opened = both.open_beside(NOTHING_SEEN, BOUND, GRACE, true, &[]);
    assert_eq!(opened, Ok(None), "its own tokens");
}

#[test]
fn what_a_slot_waits_for_goes_on_after_it_was_migrated() {
    let mut both = Both::node(KEY);
    let first = both.granted(once(request_id(1)));
    both.promote(7);
    let opened = both.open_with_grace(NOTHING_SEEN, BOUND, GRACE, true);
    assert_eq!(opened, Ok(Some(WaitKind::Failover)));
    both.advance(GRACE / 2);
    both.promote(8);
    let opened = both.open_beside(NOTHING_SEEN, BOUND, GRACE * 3, true, &[7.into()]);
    assert_eq!(opened, Ok(Some(WaitKind::Failover)));
    both.lose_hold();
    assert_eq!(both.reclaimed(1, first), ReclaimReply::Held, "as on the other node");
    let left = both.busy(once(request_id(2))).left;
    assert!(left.is_some(), "{left:?}");
    assert!(both.release(request_id(1)));
    let busy = both.busy(once(request_id(2)));
    assert!(busy.left.is_some_and(|left| left > GRACE / 3 && left <= GRACE / 2), "{busy:?}");
    both.advance(GRACE / 2);
    both.granted(once(request_id(2)));
}

/// A node without slots is none of the masters that a client knows, although it goes on.
#[test]
fn what_a_slot_waits_for_is_not_cut_short_by_those_who_do_not_know_the_master_of_before() {
    let mut both = arrived();
    let lost = both.ahead();
    let opened = both.open_with_grace(NOTHING_SEEN, BOUND, GRACE, true);
    assert_eq!(opened, Ok(Some(WaitKind::Failover)));
    both.advance(GRACE / 2);
    for (mark, grace) in [(8, Duration::ZERO), (9, GRACE / 4)] {
        both.promote(mark);
        let opened = both.open_beside(NOTHING_SEEN, BOUND, grace, true, &[0.into()]);
        assert_eq!(opened, Ok(Some(WaitKind::Failover)));
    }
    assert_eq!(both.reclaimed(2, lost), ReclaimReply::Held);
    assert!(both.release(request_id(2)));
    let left = both.busy(once(request_id(1))).left.expect("a wait");
    assert!(left > GRACE / 3 && left <= GRACE / 2, "{left:?}");
    both.promote(10);
    let opened = both.open_beside(NOTHING_SEEN, BOUND, GRACE, true, &[0.into()]);
    assert_eq!(opened, Ok(Some(WaitKind::Failover)));
    both.advance(GRACE / 2);
    assert_eq!(both.busy(once(request_id(1))).blocked_by, BlockedBy::Failover, "a longer one");
    both.advance(GRACE / 2);
    assert!(both.granted(once(request_id(1))) > lost);
}

#[test]
fn a_loss_of_data_is_waited_out_on_the_node_that_a_slot_was_migrated_to() {
    let mut both = Both::node(KEY);
    both.flush();
    assert_eq!(both.open(NOTHING_SEEN, BOUND * 3, true), Ok(Some(WaitKind::Loss)));
    both.promote(7);
    let opened = both.open_beside(NOTHING_SEEN, BOUND, GRACE, true, &[0.into()]);
    assert_eq!(opened, Ok(Some(WaitKind::Loss)));
    both.advance(BOUND * 2);
    assert_eq!(both.busy(once(request_id(1))).blocked_by, BlockedBy::DataLoss);
    both.advance(BOUND);
    both.granted(once(request_id(1)));
}

#[test]
fn a_hold_is_put_back_before_the_tokens_are_opened_and_they_go_on_above_it() {
    let mut both = arrived();
    // The other master drew it after this one had copied its last command; its clock is ahead.
    let lost = both.ahead();
    assert_eq!(both.reclaimed(2, lost), ReclaimReply::Held);
    assert_eq!(both.reclaimed(2, lost), ReclaimReply::Held, "it is there");
    assert!(both.release(request_id(2)));
    let lower = Fence::new(lost.get() - 1_000);
    assert_eq!(both.reclaimed(3, lower), ReclaimReply::Held, "one lost before it");
    assert!(both.release(request_id(3)));
    let opened = both.open_beside(NOTHING_SEEN, BOUND, Duration::ZERO, true, &[]);
    assert_eq!(opened, Ok(None));
    assert!(both.granted(once(request_id(1))) > lost);
    assert_eq!(both.reclaimed(2, lost), ReclaimReply::Refused, "others were granted the lock");
}

/// A failover has lost what the node did since it got the slot.
#[test]
fn a_slot_that_does_not_show_a_token_that_a_client_has_seen_is_not_taken_for_migrated() {
    let mut both = arrived();
    let lost = both.ahead();
    let opened = both.open_beside(alike(lost), BOUND, GRACE, true, &[0.into()]);
    assert_eq!(opened, Ok(Some(WaitKind::Failover)));
    assert_eq!(both.busy(once(request_id(2))).blocked_by, BlockedBy::Failover);
    assert_eq!(both.reclaimed(3, lost), ReclaimReply::Held);
    assert!(both.release(request_id(3)));
    both.advance(GRACE);
    assert!(both.granted(once(request_id(2))) > lost);
}

#[test]
fn a_slot_whose_last_tokens_are_lost_is_not_open_on_the_master_of_before_either() {
    let mut both = Both::node(KEY);
    both.granted(once(request_id(1)));
    let seen = both.held_fences(KEY);
    assert!(both.release(request_id(1)));
    both.promote(7);
    let note = |both: &mut Both, floor| both.open_beside(floor, BOUND, None, true, &[0.into()]);
    assert_eq!(note(&mut both, seen), Ok(None));
    assert_eq!(both.fields(), ["m00000000"], "it was migrated");
    let lost = both.ahead();
    for _ in 0..2 {
        assert_eq!(note(&mut both, alike(lost)), Ok(None));
        assert_eq!(both.fields(), ["w", "c", "b"]);
    }
    // The slot goes back.
    both.promote(0);
    assert!(both.is_unopened(&Command::Acquire(once(request_id(2)))));
    assert_eq!(both.reclaimed(3, lost), ReclaimReply::Held, "as after any failover");
    assert!(both.release(request_id(3)));
    let opened = both.open_beside(NOTHING_SEEN, BOUND, GRACE, true, &[7.into()]);
    assert_eq!(opened, Ok(Some(WaitKind::Failover)));
    assert_eq!(note(&mut both, alike(lost)), Ok(Some(WaitKind::Failover)), "it waits already");
    both.advance(GRACE);
    assert!(both.granted(once(request_id(2))) > lost);
    let above = both.ahead();
    assert_eq!(note(&mut both, alike(above)), Ok(None));
    assert_eq!(both.fields(), ["m00000000"], "acquires find that data is lost here");
}

#[test]
fn a_loss_of_data_is_waited_out_although_later_tokens_were_noted() {
    let mut both = Both::node(KEY);
    both.flush();
    assert_eq!(both.open(NOTHING_SEEN, BOUND * 3, true), Ok(Some(WaitKind::Loss)));
    both.promote(7);
    let lost = both.ahead();
    assert_eq!(both.open_beside(alike(lost), BOUND, None, true, &[0.into()]), Ok(None));
    assert_eq!(both.reclaimed(1, lost), ReclaimReply::Refused);
    both.promote(0);
    let opened = both.open_beside(NOTHING_SEEN, BOUND, GRACE, true, &[7.into()]);
    assert_eq!(opened, Ok(Some(WaitKind::Loss)));
    both.advance(BOUND * 2);
    assert_eq!(both.busy(once(request_id(1))).blocked_by, BlockedBy::DataLoss);
    both.advance(BOUND);
    assert!(both.granted(once(request_id(1))) > lost);
    both.flush();
    let noted = both.open_beside(alike(lost), BOUND, None, true, &[]);
    assert_eq!(noted, Ok(Some(WaitKind::Loss)), "nothing is left that could be noted");
}

#[test]
fn a_slot_is_not_open_on_the_master_of_before_once_a_hold_was_put_back() {
    let mut both = arrived();
    let lost = both.ahead();
    assert_eq!(both.reclaimed(2, lost), ReclaimReply::Held);
    both.promote(0);
    assert!(both.release(request_id(2)));
    assert!(both.is_unopened(&Command::Acquire(once(request_id(1)))));
    let opened = both.open_beside(NOTHING_SEEN, BOUND, Duration::ZERO, true, &[7.into()]);
    assert_eq!(opened, Ok(None));
    assert!(both.granted(once(request_id(1))) > lost);
}

/// The same of a real server is tested in a cluster that fails over.
#[test]
fn a_slot_that_is_migrated_to_a_promoted_master_is_waited_out_by_those_who_have_just_connected() {
    let now = 1_700_000_000_000_000;
    let slot = Keyspace::new("lock:").sharded().slot(KEY);
    for (grace, waits) in [(GRACE, Some(WaitKind::Failover)), (Duration::ZERO, None)] {
        let mut node = MemoryStore::node(Keyspace::new("lock:"));
        node.promote(1);
        let (floor, is_lost) = (Fence::ZERO, false);
        let open = |grace, living: &[u32]| OpenTokens {
            slot,
            floor,
            max_lease: BOUND,
            grace: Some(grace),
            is_lost,
            living: living.iter().map(|&mark| mark.into()).collect(),
        };
        assert_eq!(node.open_slot(now, &open(GRACE, &[])), None);
        node.move_to(2);
        assert_eq!(node.clone().open_slot(now, &open(grace, &[1])), None);
        node.promote(3);
        assert_eq!(node.open_slot(now, &open(grace, &[1])), waits);
    }
}

#[test]
fn a_hold_that_was_copied_and_has_ended_is_not_put_back() {
    let mut both = Both::node(KEY);
    let first = both.granted(once(request_id(1)));
    both.lose_hold();
    both.promote(7);
    assert_eq!(both.reclaimed(1, first), ReclaimReply::Refused);
    both.flush();
    assert_eq!(both.reclaimed(1, first), ReclaimReply::Refused, "nor without any tokens");
    assert_eq!(both.open(NOTHING_SEEN, BOUND, true), Ok(Some(WaitKind::Loss)));
    both.promote(8);
    assert_eq!(both.reclaimed(1, first), ReclaimReply::Refused, "nor after a loss of data");
}

#[test]
fn a_hold_is_handed_to_a_waiter_through_the_channel_of_its_slot() {
    let mut both = Both::node(KEY);
    let fences = both.grant(once(request_id(1))).fences;
    both.busy(queueing(request_id(2), LIVE[1]));
    assert_eq!(both.asked(), [request_id(1)]);
    let renewed = both.same(renew_waiter(2));
    assert!(
        matches!(&renewed, Reply::Renewed(each) if matches!(each[..], [RenewalReply::Waiting(_)]))
    );
    assert!(both.release(request_id(1)));
    let (id, pushed) = both.grants().next_back().expect("a grant");
    assert_eq!(id, request_id(2));
    assert!(pushed.first > fences.last());
    let ended = both.same(cancel_hold(2, pushed.first, Duration::from_secs(3)));
    assert_eq!(ended, Reply::Released(true));
    assert_eq!(both.acquire(once(request_id(2))), AcquireReply::Cancelled);
}

#[test]
fn a_release_that_draws_no_tokens_leaves_the_lock_to_those_who_ask() {
    let mut both = Both::node(KEY);
    both.granted(once(request_id(1)));
    let ticket = both.busy(queueing(request_id(2), LIVE[0])).ticket;
    both.promote(7);
    assert!(both.release(request_id(1)));
    assert!(both.grants().next().is_none());
    assert!(both.is_unopened(&Command::Acquire(queueing(request_id(3), LIVE[0]))));
    let opened = both.open_beside(NOTHING_SEEN, BOUND, GRACE, true, &[0.into()]);
    assert_eq!(opened, Ok(None));
    both.busy(queueing(request_id(3), LIVE[0]));
    assert_eq!(both.notified(), [request_id(2)], "it comes first, by {ticket:?}");
    assert!(both.ask(&release(request(request_id(2)))).is_ok());
}

// In a slot that is being migrated a script cannot make a key that it has deleted.

#[test]
fn tokens_are_opened_while_their_slot_is_migrated() {
    let mut both = Both::one_of_two_nodes(KEY);
    let first = both.granted(once(request_id(1)));
    assert!(both.release(request_id(1)));
    both.promote(7);
    both.open_slot();
    let opened = both.open_beside(NOTHING_SEEN, BOUND, GRACE, true, &[0.into()]);
    assert_eq!(opened, Ok(None));
    assert_eq!(both.fields(), ["m00000007"]);
    both.promote(8);
    let opened = both.open_with_grace(NOTHING_SEEN, BOUND, GRACE, true);
    assert_eq!(opened, Ok(Some(WaitKind::Failover)));
    both.close_slot();
    both.advance(GRACE);
    assert!(both.granted(once(request_id(2))) > first);
    assert_eq!(both.fields(), ["m00000008"]);
}

#[test]
fn a_hold_goes_to_the_next_waiter_while_its_slot_is_migrated() {
    for waiters in [&[(2, LIVE[0])][..], &[(3, DEAD), (2, LIVE[0])]] {
        for cancels in [false, true] {
            let mut both = Both::one_of_two_nodes(KEY);
            let first = both.granted(once(request_id(1)));
            for &(number, inbox) in waiters {
                both.busy(queueing(request_id(number), inbox));
            }
            let end = if cancels {
                cancel_hold(1, first, Duration::ZERO)
            } else {
                release(request(request_id(1)))
            };
            assert_eq!(both.same_in_open_slot(end), Reply::Released(true));
            let granted: Vec<_> = both.grants().map(|(id, _)| id).collect();
            assert_eq!(granted, [request_id(2)], "{waiters:?}, {cancels}");
        }
    }
}

#[test]
fn the_only_waiter_is_cancelled_while_its_slot_is_migrated() {
    let mut both = Both::one_of_two_nodes(KEY);
    both.granted(once(request_id(1)));
    both.busy(queueing(request_id(2), LIVE[0]));
    let cancel = cancel_hold(2, Fence::ZERO, Duration::from_secs(3));
    assert_eq!(both.same_in_open_slot(cancel), Reply::Released(false));
    assert_eq!(both.acquire(once(request_id(2))), AcquireReply::Cancelled);
}
