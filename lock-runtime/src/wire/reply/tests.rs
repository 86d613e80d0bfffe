use super::*;
use crate::wire::command::{RequestRef, WaitTarget};
use crate::wire::keyspace::DataLossGrace;

fn asking(id: u128) -> Probe {
    Probe {
        id: RequestId::from_bits(id),
        chain: vec![RequestId::from_bits(7)],
        target: WaitTarget::Key,
        key: "key".to_owned(),
        waited: Duration::ZERO,
        owner: OwnerInfo::parse("0 9 1 host a function").expect("a owner_info"),
    }
}

fn words(id: u128, refreshed: i64) -> [RawReply; 4] {
    let text = |text: &str| RawReply::Text(text.to_owned());
    let id = RequestId::from_bits(id).to_string();
    [text(&id), RawReply::Int(refreshed), text("key"), text("0 9 1 host a function")]
}

fn read(at: i64, members: &[[RawReply; 4]]) -> Option<usize> {
    let at = std::iter::once(RawReply::Int(at));
    let list = at.chain(members.iter().flatten().cloned()).collect();
    Some(asking(1).decode(&RawReply::List(list))?.cycle.len())
}

#[test]
fn a_cycle_that_cannot_be_is_not_believed() {
    assert_eq!(read(50, &[]), Some(0));
    assert_eq!(read(50, &[words(1, 50), words(2, 40)]), Some(2));
    assert_eq!(read(50, &[words(2, 40), words(1, 50)]), None, "another request's cycle");
    assert_eq!(read(50, &[words(1, 50), words(2, 51)]), None, "from the future");
    assert_eq!(read(50, &[words(1, 50), words(2, 40), words(2, 40)]), None, "one twice");
    assert_eq!(read(-1, &[]), None);
    let odd = RawReply::List(vec![RawReply::Int(50), RawReply::Int(1)]);
    assert_eq!(asking(1).decode(&odd), None);
    assert_eq!(asking(1).decode(&RawReply::Int(50)), None);
}

fn releases(count: u32) -> Vec<Command> {
    let request = |number: u32| RequestRef {
        key: number.to_string().into(),
        id: RequestId::from_bits(number.into()),
        min_fence: Fence::ZERO,
        data_loss_grace: DataLossGrace { max_lease: Duration::ZERO, waits: true },
    };
    (0..count)
        .map(|number| Command::Release {
            request: request(number),
            contended: false,
            keep: Duration::ZERO,
        })
        .collect()
}

fn acquires(count: u32) -> Vec<Command> {
    let owner = OwnerInfo::parse("0 9 1 host a function").expect("a owner_info");
    let acquire = |release| match release {
        Command::Release { request, .. } => Command::Acquire(Acquire {
            request,
            ttl: Duration::from_secs(9),
            owner: owner.clone(),
            inbox: "inbox".into(),
            fence_count: 4,
            likely_free: true,
            enqueue: None,
        }),
        other => other,
    };
    releases(count).into_iter().map(acquire).collect()
}

fn read_batch(calls: &[Command], answer: &RawReply) -> Option<Vec<Option<Reply>>> {
    Command::decode_batch(&calls.iter().collect::<Vec<_>>(), answer).ok()
}

fn ints(numbers: &[i64]) -> RawReply {
    RawReply::List(numbers.iter().copied().map(RawReply::Int).collect())
}

#[test]
fn acquires_that_went_together_are_granted_but_for_the_exceptions() {
    let calls = acquires(3);
    let granted = |first| {
        let fences = FenceRange::new(Fence::new(first), 4);
        Some(Reply::Acquire(AcquireReply::Granted(Grant { fences, contended: false })))
    };
    let read = |answer| read_batch(&calls, &answer);
    assert_eq!(read(RawReply::Int(50)), Some(vec![granted(50), granted(54), granted(58)]));
    assert_eq!(read(ints(&[50, 2])), Some(vec![granted(50), None, granted(58)]));
    assert_eq!(read(ints(&[50, 1, 2, 3])), Some(vec![None; 3]));
    assert_eq!(read(RawReply::Int(0)), Some(vec![None; 3]));
    for answer in [&[50, 0][..], &[50, 4], &[50, 2, 2], &[50, 3, 1], &[0, 1], &[-1], &[]] {
        assert_eq!(read(ints(answer)), None, "{answer:?}");
    }
    assert_eq!(read(RawReply::Int(i64::MAX)), None);
    assert_eq!(read(RawReply::Other), None);
}

#[test]
fn releases_that_went_together_have_one_answer_or_one_each() {
    let calls = releases(2);
    let released = |held: [bool; 2]| Some(held.map(|held| Some(Reply::Released(held))).to_vec());
    assert_eq!(read_batch(&calls, &RawReply::Int(1)), released([true, true]));
    assert_eq!(read_batch(&calls, &ints(&[0, 1])), released([false, true]));
    for answer in [ints(&[1]), ints(&[1, 2]), ints(&[1, 1, 1]), RawReply::Int(0)] {
        assert_eq!(read_batch(&calls, &answer), None, "{answer:?}");
    }
}

#[test]
fn only_acquires_whose_holds_have_one_tail_go_together() {
    let calls = acquires(2);
    assert!(calls[0].goes_with(&calls[1]));
    assert!(!calls[0].goes_with(&releases(1)[0]));
    let changed = |change: fn(&mut Acquire)| {
        let mut other = calls[1].clone();
        if let Command::Acquire(acquire) = &mut other {
            change(acquire);
        }
        calls[0].goes_with(&other)
    };
    assert!(changed(|acquire| acquire.owner.since_unix_ms = 77));
    assert!(!changed(|acquire| acquire.owner.function.push('!')));
    assert!(!changed(|acquire| acquire.ttl *= 2));
    assert!(!changed(|acquire| acquire.fence_count = 1));
}
