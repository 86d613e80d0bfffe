//! Calls about several locks that go as one: each is to do what it does alone, or nothing.

use crate::backend::memory::tests::commands::{once, queueing, request, request_id};
use crate::backend::memory::tests::parity::{Both, LIVE};
use crate::wire::command::{Acquire, Command, RequestRef, acquire_batch, release_batch};
use crate::wire::reply::{BatchItem, Decode, Grant, Reply, acquired_batch, released_batch};

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
    fn acquire_batch(&mut self, asks: &[Acquire]) -> Vec<Option<Grant>> {
        let asks: Vec<&Acquire> = asks.iter().collect();
        let words = acquire_batch(&asks, &self.space);
        let answer = self.invoke(&words).expect("an answer");
        let outcomes = acquired_batch(&asks, &answer).expect("one for each");
        outcomes.into_iter().map(done).collect()
    }

    fn release_batch(&mut self, requests: &[RequestRef]) -> Vec<Option<bool>> {
        let requests: Vec<&RequestRef> = requests.iter().collect();
        let words = release_batch(&requests, &self.space);
        let answer = self.invoke(&words).expect("an answer");
        let outcomes = released_batch(requests.len(), &answer).expect("one for each");
        outcomes.into_iter().map(done).collect()
    }

    /// Whether the lock was this request's; it is free then.
    fn was_held(&mut self, number: u8, key: &str) -> bool {
        let release = Command::Release(of(number, key));
        let answer = self.ask(&release).expect("an answer");
        release.decode(answer).expect("a reply") == Reply::Released(true)
    }
}

fn done<T>(outcome: BatchItem<T>) -> Option<T> {
    match outcome {
        BatchItem::Done(value) => Some(value),
        BatchItem::Retry => None,
    }
}

#[test]
fn free_locks_are_taken_together_under_tokens_that_do_not_overlap() {
    let mut both = Both::new();
    let grants = both.acquire_batch(&three());
    let blocks: Vec<_> = grants.into_iter().map(|grant| grant.expect("free").fences).collect();
    for pair in blocks.windows(2) {
        assert!(pair[0].last() < pair[1].first());
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
    for companion in ["queue", "cancelled"] {
        let mut both = Both::new();
        both.raw(&["SET", &format!("lock:{{second}}:{companion}"), "something"]);
        assert_eq!(both.acquire_batch(&three()), [None, None, None]);
        assert!(KEYS.iter().zip(1..).all(|(key, number)| !both.was_held(number, key)));
    }
}

#[test]
fn locks_released_together_are_ended_only_by_their_holders() {
    let mut both = Both::new();
    assert!(both.acquire_batch(&three()).iter().all(Option::is_some));
    let requests = [of(1, "first"), of(9, "second"), of(3, "third")];
    assert_eq!(both.release_batch(&requests), [Some(true), Some(false), Some(true)]);
    assert!(both.was_held(2, "second"));
    assert!(!both.was_held(1, "first"));
}

#[test]
fn a_lock_that_somebody_waits_for_is_not_released_together_with_others() {
    let mut both = Both::new();
    both.granted(ask(1, "first"));
    let waiter = Acquire { request: of(2, "first"), ..queueing(request_id(2), LIVE[0]) };
    both.busy(waiter);
    assert_eq!(both.release_batch(&[of(1, "first")]), [None]);
    assert!(both.was_held(1, "first"));
    assert!(both.was_held(2, "first"), "the release went to the waiter");
}
