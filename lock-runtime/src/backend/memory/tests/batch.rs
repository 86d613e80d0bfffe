//! Calls about several locks that go as one: each is to do what it does alone, or nothing.

use crate::backend::memory::tests::commands::{once, queueing, release, request, request_id};
use crate::backend::memory::tests::parity::{Both, LIVE};
use crate::wire::command::{Acquire, Command, RequestRef};
use crate::wire::reply::{AcquireReply, Grant, Reply};

const KEYS: [&str; 3] = ["first", "second", "third"];

fn of(number: u8, key: &str) -> RequestRef {
    RequestRef { key: key.into(), ..request(request_id(number)) }
}

fn ask(number: u8, key: &str) -> Acquire {
    Acquire { request: of(number, key), ..once(request_id(number)) }
}

/// The requests 1, 2 and 3 for a key each.
fn three() -> Vec<Acquire> {
    (1..).zip(KEYS).map(|(number, key)| ask(number, key)).collect()
}

impl Both {
    /// What each of these calls is answered; `None` where it was not done.
    fn batch(&mut self, calls: &[Command]) -> Vec<Option<Reply>> {
        let mut bytes = Vec::new();
        Command::encode_batch(calls.iter(), &self.space, self.mark, &mut bytes);
        let answer = self.invoke(&bytes).expect("an answer");
        Command::decode_batch(&calls.iter().collect::<Vec<_>>(), &answer).expect("a reply to each")
    }

    fn acquire_batch(&mut self, asks: &[Acquire]) -> Vec<Option<Grant>> {
        let calls: Vec<_> = asks.iter().cloned().map(Command::Acquire).collect();
        let grant = |reply| match reply {
            Some(Reply::Acquire(AcquireReply::Granted(grant))) => Some(grant),
            None => None,
            other => panic!("answered by {other:?}"),
        };
        self.batch(&calls).into_iter().map(grant).collect()
    }

    fn release_batch(&mut self, requests: &[RequestRef]) -> Vec<bool> {
        let calls: Vec<_> = requests.iter().cloned().map(release).collect();
        let held = |reply| match reply {
            Some(Reply::Released(held)) => held,
            other => panic!("answered by {other:?}"),
        };
        self.batch(&calls).into_iter().map(held).collect()
    }

    /// Whether the lock was this request's; it is free then.
    fn was_held(&mut self, number: u8, key: &str) -> bool {
        let release = release(of(number, key));
        let answer = self.ask(&release).expect("an answer");
        release.decode(&answer).expect("a reply") == Reply::Released(true)
    }
}

#[test]
fn free_locks_are_taken_together_under_tokens_that_do_not_overlap() {
    let mut both = Both::new();
    let grants = both.acquire_batch(&three());
    let blocks: Vec<_> = grants.into_iter().map(|grant| grant.expect("free").fences).collect();
    for pair in blocks.windows(2) {
        assert!(pair[0].last() < pair[1].first);
    }
    for (number, key) in (1..).zip(KEYS) {
        assert!(both.was_held(number, key));
    }
}

#[test]
fn a_lock_that_is_held_stays_its_holders_when_others_are_taken_together() {
    let mut both = Both::new();
    both.granted(ask(9, "second"));
    let granted = both.acquire_batch(&three()).iter().map(Option::is_some).collect::<Vec<_>>();
    assert_eq!(granted, [true, false, true]);
    assert!(!both.was_held(2, "second"));
    assert!(both.was_held(9, "second"));
}

#[test]
fn a_queue_or_a_tombstone_of_one_lock_keeps_all_from_being_taken_together() {
    let mut both = Both::new();
    both.raw(&["SET", "lock:{second}:queue", "something"]);
    assert_eq!(both.acquire_batch(&three()), [None, None, None]);
    assert!(KEYS.iter().zip(1..).all(|(key, number)| !both.was_held(number, key)));
}

#[test]
fn a_counter_that_may_have_lost_data_gives_no_tokens_to_several_and_stays_absent() {
    let mut both = Both::new();
    both.flush();
    assert_eq!(both.acquire_batch(&three()), [None, None, None]);
    assert_eq!(both.raw(&["DBSIZE"]), redis::Value::Int(0));
}

#[test]
fn locks_released_together_are_ended_only_by_their_holders() {
    let mut both = Both::new();
    assert!(both.acquire_batch(&three()).iter().all(Option::is_some));
    let requests = [of(1, "first"), of(9, "second"), of(3, "third")];
    assert_eq!(both.release_batch(&requests), [true, false, true]);
    assert!(both.was_held(2, "second"));
    assert!(!both.was_held(1, "first"));
    assert!(both.acquire_batch(&three()).iter().all(Option::is_some));
    let requests = [of(1, "first"), of(2, "second"), of(3, "third")];
    assert_eq!(both.release_batch(&requests), [true; 3]);
    assert!(KEYS.iter().zip(1..).all(|(key, number)| !both.was_held(number, key)));
}

#[test]
fn locks_that_others_wait_for_are_granted_to_them_when_all_are_released_together() {
    let mut both = Both::new();
    for (holder, waiter, key) in [(1, 11, "first"), (2, 12, "second")] {
        both.granted(ask(holder, key));
        both.busy(Acquire { request: of(waiter, key), ..queueing(request_id(waiter), LIVE[0]) });
    }
    both.granted(ask(3, "third"));
    let requests = [of(1, "first"), of(2, "second"), of(3, "third")];
    assert_eq!(both.release_batch(&requests), [true, true, true]);
    assert!(both.was_held(11, "first") && both.was_held(12, "second"));
    assert!(!both.was_held(3, "third"));
}
