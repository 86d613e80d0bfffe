//! For any answer of a server, a call decodes a reply that the answer contains, or none.
//!
//! `PROPTEST_CASES` sets how many answers each test tries.

pub(crate) mod answers;
pub(crate) mod calls;
pub(crate) mod mutation;
pub(crate) mod oracle;
pub(crate) mod spoken;

use std::time::Duration;

use proptest::prelude::*;

use crate::backend::memory::store::MemoryStore;
use crate::types::fence::Fence;
use crate::types::owner_info::HolderInfo;
use crate::types::request_id::RequestId;
use crate::wire::command::{Acquire, Command, Enqueue, RequestRef};
use crate::wire::keyspace::{DataLossGrace, Keyspace, Mark, WAITER_LEASE, lease_steps};
use crate::wire::reply::{Notification, Reply, parse_notification};
use crate::wire::slot::Slot;
use crate::wire::tests::answers::{any_answer, any_text, shaped};
use crate::wire::tests::calls::any_call;
use crate::wire::tests::mutation::any_mutation;
use crate::wire::tests::oracle::{fits, grants};
use crate::wire::tests::spoken::spoken;

/// As many cases as a run of all tests has time for, unless `PROPTEST_CASES` says otherwise.
pub fn config(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { cases };
    ProptestConfig { cases, failure_persistence: None, ..default }
}

const CASES: u32 = 2000;

/// The replies of a server to these calls, a fifth of a second apart.
fn replies(calls: &[Command]) -> Vec<Reply> {
    let mut memory = MemoryStore::default();
    memory.welcome(0, Fence::ZERO, Duration::ZERO, Duration::ZERO, false, &mut |_, _| true);
    let answered = (1..).zip(calls);
    let reply = |(number, call): (u64, _)| memory.call(number * 200_000, call, &mut |_, _| true);
    answered.map(reply).collect::<Result<_, _>>().expect("one master draws tokens")
}

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn an_answer_is_read_as_what_it_says_or_not_at_all(
        (call, answer) in any_call().prop_flat_map(|call| {
            let answer = prop_oneof![any_answer(), shaped(&call)];
            (Just(call), answer)
        }),
    ) {
        if let Ok(reply) = call.decode(&answer) {
            prop_assert!(fits(&call, &answer, &reply), "{answer:?}\nwas read as {reply:?}");
        }
    }

    #[test]
    fn every_reply_of_a_server_is_read_back(calls in prop::collection::vec(any_call(), 1..20)) {
        for (call, reply) in calls.iter().zip(replies(&calls)) {
            let answer = spoken(call, &reply);
            prop_assert_eq!(call.decode(&answer), Ok(reply), "{:?}", answer);
        }
    }

    #[test]
    fn a_reply_with_one_thing_changed_is_read_as_what_it_says_now_or_not_at_all(
        calls in prop::collection::vec(any_call(), 1..12),
        mutations in prop::collection::vec(any_mutation(), 12),
    ) {
        for ((call, reply), mutation) in calls.iter().zip(replies(&calls)).zip(&mutations) {
            let answer = mutation.apply(spoken(call, &reply));
            if let Ok(read) = call.decode(&answer) {
                prop_assert!(fits(call, &answer, &read), "{answer:?}\nwas read as {read:?}");
                let made_up = grants(&read) && !grants(&reply) && mutation.is_inside();
                prop_assert!(!made_up, "a part of {reply:?}\nchanged to {answer:?} grants");
            }
        }
    }

    #[test]
    fn a_message_is_read_as_the_grant_that_it_spells_out_or_not_at_all(payload in any_text()) {
        let words: Vec<&str> = payload.split(' ').collect();
        match parse_notification(&payload) {
            Some(Notification::Granted(id, fences)) => {
                prop_assert_eq!(words.len(), 4);
                prop_assert!(words[0] == "granted" && spells(words[1], id), "{}", payload);
                prop_assert_eq!(words[2].parse(), Ok(fences.first.get()));
                prop_assert_eq!(words[3].parse(), Ok(fences.size));
                prop_assert!(oracle::is_issuable(fences));
            }
            Some(Notification::Contended(id)) => {
                prop_assert_eq!(words.len(), 2);
                prop_assert!(words[0] == "asked" && spells(words[1], id), "{}", payload);
            }
            Some(Notification::ForceReleased(id, first)) => {
                prop_assert_eq!(words.len(), 3);
                prop_assert!(words[0] == "released" && spells(words[1], id), "{}", payload);
                prop_assert_eq!(words[2].parse(), Ok(first.get()));
            }
            Some(Notification::MaxLease(max_lease)) => {
                prop_assert_eq!(words.len(), 2);
                prop_assert!(words[0] == "bound" && words[1].parse::<u64>().is_ok(), "{}", payload);
                prop_assert!(lease_steps().any(|step| step == max_lease));
            }
            Some(Notification::FirstInQueue(id, left)) => {
                prop_assert_eq!(words.len(), 3);
                prop_assert!(words[0] == "first" && spells(words[1], id), "{}", payload);
                prop_assert_eq!(words[2].parse(), Ok(left.as_millis()));
            }
            Some(Notification::Unsubscribed(_)) => prop_assert!(false, "{}", payload),
            None => {}
        }
    }

    #[test]
    fn every_call_is_encoded_as_one_command_with_the_keys_it_counts(
        call in any_call(),
        sharded: bool,
    ) {
        let space = Keyspace::new("lock:");
        let space = if sharded { space.sharded() } else { space };
        let mut bytes = Vec::new();
        let is_call = call.encode(&space, Mark::default(), &mut bytes);
        let looks = matches!(call, Command::LookAtHold(_) | Command::LookAtSection(_));
        let scans = matches!(call, Command::Scan { .. });
        prop_assert_eq!(is_call, looks || scans || call.script().is_some());
        if scans {
            let words = words(&bytes);
            prop_assert_eq!(&words[2..4], ["MATCH", "lock:*}"]);
        }
        if looks {
            let words = words(&bytes);
            prop_assert!(words.len() == 2 && words[1].starts_with("lock:"), "{:?}", words);
        }
        if let Some(script) = call.script() {
            let words = words(&bytes);
            prop_assert_eq!(&words[..2], ["EVALSHA", &script.sha(&space)]);
            let keys: usize = words[2].parse().expect("a number");
            prop_assert!(words[3..].len() >= keys);
            let (keys, args) = words[3..].split_at(keys);
            prop_assert!(keys.iter().all(|key| key.starts_with("lock:")));
            let is_about_one = !matches!(call, Command::AcquireAll(_) | Command::Renew(_));
            if let Some(slot) = call.slot(&space).filter(|_| sharded && is_about_one) {
                prop_assert!(!keys.is_empty() && keys.iter().all(|key| slot_of(key) == slot));
                // The one that is in the hold has the prefix of the slot.
                let inboxes = args.iter().filter(|word| word.contains("inbox"));
                for inbox in inboxes {
                    prop_assert_eq!(slot_of(inbox), slot);
                }
            }
        }
    }
}

fn slot_of(name: &str) -> Slot {
    let tag = name.split_once('{').and_then(|(_, rest)| Some(rest.split_once('}')?.0));
    Slot::of_tag(tag.expect("a tag").as_bytes())
}

#[test]
fn the_hold_of_an_acquire_is_sent_as_it_is_read_back() {
    let request = RequestRef {
        key: "größe {x}".into(),
        id: RequestId::from_bits(0xfeed << 96),
        min_fence: Fence::new(17),
        data_loss_grace: DataLossGrace { max_lease: WAITER_LEASE, waits: false },
    };
    let acquire = Acquire {
        request,
        ttl: Duration::from_secs(9),
        owner: calls::owner_info(),
        inbox: "lock:inbox:me".into(),
        fence_count: 4,
        likely_free: true,
        enqueue: Some(Enqueue { ticket: Some(5), lease: WAITER_LEASE }),
    };
    let mut bytes = Vec::new();
    Command::Acquire(acquire.clone()).encode(&Keyspace::new("lock:"), Mark::default(), &mut bytes);
    let words = words(&bytes);
    assert_eq!(words[2..8], ["2", "lock:{x}größe {x}}", "lock:tokens", "17", "4", "9000"]);
    assert_eq!(words[10], "-2000 2000 5");
    let holder = HolderInfo::parse(&format!("dl1-{}99 4 {}", words[8], words[9])).expect("a hold");
    let Acquire { request: RequestRef { id, .. }, owner, .. } = acquire;
    assert_eq!(holder, HolderInfo { id, fence: Fence::new(99), owner, held_unix_ms: None });
}

/// The words of a command, which is all there is.
pub(crate) fn words(bytes: &[u8]) -> Vec<String> {
    let value = redis::parse_redis_value(bytes).expect("one value");
    redis::from_redis_value(value).expect("texts")
}

fn spells(word: &str, id: RequestId) -> bool {
    word.to_ascii_lowercase() == id.to_string()
}
