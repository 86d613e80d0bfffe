use super::*;
use crate::wire::command::WaitTarget;

fn asking(id: u128) -> Probe {
    Probe {
        id: RequestId::from_bits(id),
        chain: vec![RequestId::from_bits(7)],
        target: WaitTarget::Key,
        key: "key".to_owned(),
        waited: Duration::ZERO,
        owner: OwnerInfo::parse("9 0 1 host a function").expect("a owner_info"),
    }
}

fn words(id: u128, refreshed: i64) -> [RawReply; 4] {
    let text = |text: &str| RawReply::Text(text.to_owned());
    let id = RequestId::from_bits(id).to_string();
    [text(&id), RawReply::Int(refreshed), text("key"), text("9 0 1 host a function")]
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
