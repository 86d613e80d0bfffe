//! What only a real server does: refuse, run full, turn into a replica, lose one key of a lock.

use std::time::Duration;

use crate::backend::memory::tests::commands::{
    KEY, once, owner_info, queueing, refusal, release, request, request_id,
};
use crate::backend::memory::tests::parity::{Both, DEAD, LIVE};
use crate::protocol::timing::TOMBSTONE;
use crate::types::fence::Fence;
use crate::types::request_id::RequestId;
use crate::wire::command::{Acquire, Command, Probe, Renewal, WaitTarget};
use crate::wire::keyspace::WAITER_LEASE;
use crate::wire::reply::{RawReply, RenewalReply, Reply};

fn renew_waiter(number: u8) -> Renewal {
    Renewal::Waiter { key: KEY.into(), id: request_id(number), lease: WAITER_LEASE }
}

fn probe(chain: Vec<RequestId>) -> Command {
    Command::Probe(Probe {
        id: request_id(9),
        chain,
        target: WaitTarget::Key,
        key: KEY.into(),
        waited: Duration::ZERO,
        owner: owner_info(request_id(9)),
    })
}

fn ints(answer: RawReply) -> Vec<i64> {
    let RawReply::List(items) = answer else { panic!("not a list: {answer:?}") };
    let int = |item| {
        if let RawReply::Int(number) = item { number } else { panic!("not a number") }
    };
    items.into_iter().map(int).collect()
}

#[test]
fn a_ttl_of_zero_is_refused() {
    let mut both = Both::new();
    let ask = Command::Acquire(Acquire { ttl: Duration::ZERO, ..once(request_id(1)) });
    assert!(refusal(both.ask(&ask)).contains("the ttl must be above zero"));
    both.granted(once(request_id(1)));
    assert!(refusal(both.ask(&ask)).contains("the ttl must be above zero"));
    let renewal = both.renewal(1, Duration::ZERO);
    assert_eq!(ints(both.ask(&Command::Renew(vec![renewal])).unwrap()), [0]);
    both.granted(once(request_id(1)));
}

#[test]
fn a_foreign_value_under_the_counters_name_is_named_and_kept() {
    let mut both = Both::new();
    for words in
        [["HSET", "lock:tokens", "m00000000", "mine"].as_slice(), &["LPUSH", "lock:tokens", "mine"]]
    {
        both.raw(&["DEL", "lock:tokens"]);
        both.raw(words);
        let ask = Command::Acquire(queueing(request_id(1), LIVE[0]));
        assert!(refusal(both.ask(&ask)).contains("the fence key holds a foreign value"));
    }
}

#[test]
fn a_replica_refuses_in_its_own_words() {
    let mut both = Both::new();
    both.raw(&["REPLICAOF", "127.0.0.1", "1"]);
    for ask in [once(request_id(1)), queueing(request_id(1), LIVE[0])] {
        let text = refusal(both.ask(&Command::Acquire(ask)));
        assert!(text.contains("read only replica"), "{text}");
    }
}

#[test]
fn a_full_server_refuses_new_holds_in_its_own_words_and_keeps_the_old_ones() {
    let mut both = Both::new();
    both.granted(once(request_id(1)));
    both.busy(queueing(request_id(2), LIVE[0]));
    both.raw(&["CONFIG", "SET", "maxmemory", "1"]);
    let mut other = once(request_id(3));
    other.request.key = "another".into();
    let text = refusal(both.ask(&Command::Acquire(other)));
    assert!(text.contains("used memory > 'maxmemory'"), "{text}");
    // A waiter's entry comes first, where a HSET alone would be refused and take the hold's entry
    // along.
    let batch = Command::Renew(vec![renew_waiter(2), both.renewal(1, Duration::from_secs(9))]);
    let answers = ints(both.ask(&batch).unwrap());
    assert!(answers[0] > 0 && answers[1] == 2, "{answers:?}");
    assert_eq!(both.ask(&release(request(request_id(1)))).unwrap(), RawReply::Int(1));
    let renewal = both.renewal(2, Duration::from_secs(9));
    assert_eq!(ints(both.ask(&Command::Renew(vec![renewal])).unwrap()), [2]);
}

#[test]
fn a_rejected_publish_leaves_no_hold_to_a_waiter_that_was_not_notified() {
    let mut both = Both::new();
    both.granted(once(request_id(1)));
    both.busy(queueing(request_id(2), LIVE[0]));
    both.raw(&["ACL", "SETUSER", "default", "-publish"]);
    assert_eq!(both.ask(&release(request(request_id(1)))).unwrap(), RawReply::Int(1));
    let answer = both.ask(&Command::Acquire(once(request_id(3)))).unwrap();
    assert!(matches!(answer, RawReply::Int(_)), "{answer:?}");
    assert!(matches!(
        both.ask(&Command::Acquire(queueing(request_id(4), LIVE[0]))),
        Ok(RawReply::List(_))
    ));
    let renewal = both.renewal(3, Duration::from_secs(9));
    let answer = both.ask(&Command::Renew(vec![renewal])).unwrap();
    assert_eq!(ints(answer), [2], "a request waits, though the holder could not be notified");
}

#[test]
fn a_grant_is_published_only_to_an_inbox_that_listens() {
    let published = |both: &mut Both| {
        let stats = both.raw(&["INFO", "commandstats"]);
        let stats: String = redis::from_redis_value(stats).expect("text");
        let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_publish:calls="));
        line.and_then(|line| line.split(',').next()?.parse::<u32>().ok()).unwrap_or(0)
    };
    // A release that finds the waiter in its usual beginning, and one that finds it later.
    for ahead in [0, 1] {
        let mut both = Both::new();
        both.granted(once(request_id(1)));
        for number in 0..=ahead {
            both.busy(queueing(request_id(2 + number), DEAD));
        }
        let before = published(&mut both);
        assert_eq!(both.ask(&release(request(request_id(1)))).unwrap(), RawReply::Int(1));
        assert_eq!(published(&mut both), before, "a replica may have delivered it");
        assert_eq!(both.raw(&["EXISTS", "lock:{order:7}"]), redis::Value::Int(0));
        let ticket = both.raw(&["ZCARD", "lock:{order:7}:queue"]);
        assert_eq!(ticket, redis::Value::Int(0), "nobody waits any more");
    }
}

#[test]
fn a_right_that_is_missing_is_named_and_leaves_no_entry() {
    for (right, command) in [("-zadd", "ZADD"), ("-hset", "HSET"), ("-setrange", "SETRANGE")] {
        let mut both = Both::new();
        both.granted(once(request_id(1)));
        both.raw(&["ACL", "SETUSER", "default", right]);
        let text = refusal(both.ask(&Command::Acquire(queueing(request_id(2), LIVE[0]))));
        assert!(text.to_uppercase().contains(command), "{text}");
        both.raw(&["ACL", "SETUSER", "default", "+@all"]);
        assert_eq!(both.raw(&["EXISTS", "lock:{order:7}:queue"]), redis::Value::Int(0));
        assert_eq!(both.raw(&["EXISTS", "lock:{order:7}:waiters"]), redis::Value::Int(0));
    }
}

#[test]
fn a_waiter_whose_place_was_lost_is_notified_to_ask_again() {
    let mut both = Both::new();
    both.granted(once(request_id(1)));
    both.busy(queueing(request_id(2), LIVE[0]));
    both.raw(&["DEL", "lock:{order:7}:queue"]);
    assert_eq!(ints(both.ask(&Command::Renew(vec![renew_waiter(2)])).unwrap()), [-1]);
}

#[test]
fn an_entry_whose_place_was_lost_does_not_live_as_long_as_a_tombstone() {
    let mut both = Both::new();
    let (fence, keep) = (Fence::ZERO, Duration::ZERO);
    let request = request(request_id(3));
    let cancel = Command::Cancel { request, fence, tombstone: TOMBSTONE, keep };
    let wait = Command::Acquire(queueing(request_id(2), LIVE[0]));
    let refresh = Command::Renew(vec![renew_waiter(2)]);
    both.granted(once(request_id(1)));
    let left = |both: &mut Both, name| {
        redis::from_redis_value::<i64>(both.raw(&["PTTL", name])).expect("a number")
    };
    for call in [&wait, &cancel, &wait, &refresh, &cancel] {
        both.ask(call).expect("an answer");
        let lasts = left(&mut both, "lock:{order:7}:waiters");
        assert!((1..=4_000).contains(&lasts), "{lasts} ms after {call:?}");
    }
    assert!(left(&mut both, "lock:{order:7}:queue") > 50_000, "it has the tombstone");
}

#[test]
fn a_waiter_whose_entry_expired_before_its_place_asks_again() {
    let mut both = Both::new();
    let (fence, keep) = (Fence::ZERO, Duration::ZERO);
    let cancelled = request(request_id(3));
    let refresh = || Command::Renew(vec![renew_waiter(2)]);
    both.granted(once(request_id(1)));
    both.same(Command::Cancel { request: cancelled, fence, tombstone: TOMBSTONE, keep });
    both.busy(queueing(request_id(2), LIVE[0]));
    // The lease is over, but not the TTL of the entries, which is twice as long.
    both.advance(WAITER_LEASE * 3 / 2);
    let answers = both.same(refresh());
    assert!(matches!(answers, Reply::Renewed(answers) if answers != [RenewalReply::AcquireAgain]));
    both.advance(WAITER_LEASE * 5 / 2);
    assert_eq!(both.same(refresh()), Reply::Renewed(vec![RenewalReply::AcquireAgain]));
    // Entries that are made later do not bring back those that have expired.
    both.busy(queueing(request_id(4), LIVE[0]));
    assert_eq!(both.same(refresh()), Reply::Renewed(vec![RenewalReply::AcquireAgain]));
}

#[test]
fn a_companion_of_a_foreign_type_spares_the_other_entries_of_a_renewal() {
    let mut both = Both::new();
    both.granted(once(request_id(1)));
    both.raw(&["SET", "lock:{order:7}:waiters", "mine"]);
    let batch = Command::Renew(vec![renew_waiter(2), both.renewal(1, Duration::from_secs(9))]);
    assert_eq!(ints(both.ask(&batch).unwrap()), [-1, 1]);
}

#[test]
fn foreign_keys_under_the_names_of_sections_are_passed_over_and_kept() {
    let mut both = Both::new();
    both.granted(once(request_id(1)));
    let name = |section| format!("lock:blocked:{}", request_id(section));
    both.raw(&["SET", &name(2), "mine"]);
    both.raw(&["HSET", &name(1), "field", "mine"]);
    let answer = both.ask(&probe(vec![request_id(2), request_id(3)]));
    assert!(matches!(answer, Ok(RawReply::List(words)) if words.len() == 1));
    assert_eq!(both.raw(&["PTTL", &name(2)]), redis::Value::Int(-1));
    assert_eq!(both.raw(&["HLEN", &name(1)]), redis::Value::Int(1));
    assert_eq!(both.raw(&["HLEN", &name(3)]), redis::Value::Int(1), "it is registered there");
}

#[test]
fn a_full_server_and_a_replica_register_nothing_and_find_no_cycle() {
    for words in [["CONFIG", "SET", "maxmemory", "1"].as_slice(), &["REPLICAOF", "127.0.0.1", "1"]]
    {
        let mut both = Both::new();
        both.granted(once(request_id(1)));
        both.raw(words);
        let answer = both.ask(&probe(vec![request_id(2)]));
        assert!(matches!(&answer, Ok(RawReply::List(words)) if words.len() == 1), "{answer:?}");
        assert_eq!(
            both.raw(&["EXISTS", &format!("lock:blocked:{}", request_id(2))]),
            redis::Value::Int(0)
        );
    }
}
