//! Several locks at once or none, each on both sides.

use std::time::Duration;

use crate::backend::memory::tests::commands::{
    once, owner_info, queueing, release, request, request_id,
};
use crate::backend::memory::tests::parity::{Both, DEAD, LIVE, START};
use crate::types::fence::{Fence, FenceRange};
use crate::types::owner_info::HolderInfo;
use crate::wire::command::{Acquire, Command, Renewal, RequestRef};
use crate::wire::reply::{BlockedBy, RawReply, RenewalReply, Reply};

const KEYS: [&str; 3] = ["first", "second", "third"];

/// The requests 1, 2 and 3 for a key each.
fn three() -> Vec<Acquire> {
    (1..).zip(KEYS).map(|(number, key)| single(number, key)).collect()
}

fn single(number: u8, key: &str) -> Acquire {
    let request = RequestRef { key: key.into(), ..request(request_id(number)) };
    Acquire { request, fence_count: 1, ..once(request_id(number)) }
}

impl Both {
    fn all(&mut self, asks: Vec<Acquire>) -> Option<FenceRange> {
        match self.same(Command::AcquireAll(asks)) {
            Reply::AcquiredAll(fences) => fences,
            other => panic!("answered by {other:?}"),
        }
    }

    fn holders(&mut self) -> Vec<Option<HolderInfo>> {
        let look = |key: &str| Command::Inspect { key: key.into(), limit: 0 };
        let replies = KEYS.map(|key| self.same(look(key)));
        let holder = |reply| match reply {
            Reply::Inspection(seen) => seen.holder,
            other => panic!("answered by {other:?}"),
        };
        replies.into_iter().map(holder).collect()
    }

    /// Asks for all three in vain: no lock and no counter is touched.
    fn none(&mut self) {
        let (holders, counter) = (self.holders(), self.raw(&["HGETALL", "lock:tokens"]));
        let keys = |both: &mut Self| {
            let mut keys: Vec<String> =
                redis::from_redis_value(both.raw(&["KEYS", "*"])).expect("names");
            keys.sort();
            keys
        };
        let before = keys(self);
        assert_eq!(self.all(three()), None);
        assert_eq!((self.holders(), keys(self)), (holders, before));
        assert_eq!(self.raw(&["HGETALL", "lock:tokens"]), counter);
    }
}

#[test]
fn free_locks_are_taken_with_a_token_each_in_their_order() {
    let mut both = Both::new();
    let mut fences = both.all(three()).expect("all are free");
    assert_eq!(fences.size, 3);
    let expected = (1..=3).map(|number| {
        let fence = fences.take().expect("one each");
        let (id, owner) = (request_id(number), owner_info(request_id(number)));
        Some(HolderInfo { id, fence, owner, held_unix_ms: None })
    });
    let expected: Vec<_> = expected.collect();
    assert_eq!(both.holders(), expected);
    assert_eq!(both.all(three()), None, "asking again is no way to hear of it");
}

#[test]
fn what_was_taken_at_once_is_a_hold_like_any_other() {
    let mut both = Both::new();
    let fences = both.all(three()).expect("all are free");
    let renewal = |number: u8, key: &str| Renewal::Hold {
        key: key.into(),
        id: request_id(number),
        fence: Fence::new(fences.first.get() + u64::from(number) - 1),
        ttl: Duration::from_secs(30),
    };
    let renewals = (1..).zip(KEYS).map(|(number, key)| renewal(number, key)).collect();
    assert_eq!(both.same(Command::Renew(renewals)), Reply::Renewed(vec![RenewalReply::Renewed; 3]));
    assert_eq!(both.grant(single(2, KEYS[1])).fences.first.get(), fences.first.get() + 1);
    let waiter = Acquire { inbox: LIVE[1].into(), ..queueing(request_id(4), LIVE[1]) };
    both.busy(Acquire { request: single(4, KEYS[1]).request, ..waiter });
    assert_eq!(both.asked(), [request_id(2)]);
    assert_eq!(both.same(release(single(2, KEYS[1]).request)), Reply::Released(true));
    assert_eq!(both.notified(), [request_id(4)]);
}

#[test]
fn one_that_is_held_is_enough_for_none() {
    let mut both = Both::new();
    both.granted(single(9, KEYS[2]));
    both.none();
    both.same(release(single(9, KEYS[2]).request));
    assert!(both.all(three()).is_some());
}

#[test]
fn a_queued_request_is_not_overtaken() {
    let mut both = Both::new();
    both.granted(Acquire { ttl: Duration::from_secs(1), ..single(8, KEYS[0]) });
    both.busy(Acquire { request: single(9, KEYS[0]).request, ..queueing(request_id(9), DEAD) });
    both.advance(Duration::from_millis(1_500));
    both.none();
}

#[test]
fn a_tombstone_of_whichever_request_is_enough_for_none() {
    let mut both = Both::new();
    let tombstone = Duration::from_secs(3);
    both.same(Command::Cancel {
        request: single(2, KEYS[1]).request,
        fence: Fence::ZERO,
        tombstone,
        keep: Duration::ZERO,
    });
    both.none();
    both.advance(tombstone * 2);
    assert!(both.all(three()).is_some());
}

#[test]
fn a_foreign_key_is_enough_for_none_and_is_kept() {
    let mut both = Both::new();
    both.put_not_a_lock(KEYS[0]);
    both.none();
}

#[test]
fn a_counter_that_may_have_lost_data_gives_no_tokens_and_stays_as_it_is() {
    for behind in [0, 1, 2, 1_000] {
        let mut both = Both::new();
        let min_fence = Fence::new(START + 1 + behind);
        let mut asks = three();
        asks[1].request.min_fence = min_fence;
        assert_eq!(both.all(asks), None, "{behind} behind");
        assert_eq!(
            both.raw(&["HGET", "lock:tokens", "m00000000"]),
            redis::Value::BulkString(START.to_string().into())
        );
    }
    let mut both = Both::new();
    both.flush();
    both.none();
    let busy = both.busy(single(1, KEYS[0]));
    assert_eq!(busy.blocked_by, BlockedBy::DataLoss);
    both.none();
}

#[test]
fn nothing_is_taken_with_a_ttl_of_zero_or_of_a_server_that_cannot_count() {
    let mut both = Both::new();
    let mut asks = three();
    for ask in &mut asks {
        ask.ttl = Duration::ZERO;
    }
    assert_eq!(both.ask(&Command::AcquireAll(asks)), Ok(RawReply::Int(0)));
    assert_eq!(both.raw(&["DBSIZE"]), redis::Value::Int(1));
    for words in [["CONFIG", "SET", "maxmemory", "1"].as_slice(), &["REPLICAOF", "127.0.0.1", "1"]]
    {
        both.raw(words);
        let answer = both.ask(&Command::AcquireAll(three()));
        assert_eq!(answer, Ok(RawReply::Int(0)));
        both.raw(&["CONFIG", "SET", "maxmemory", "0"]);
    }
}
