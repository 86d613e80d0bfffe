use super::*;

#[test]
fn a_hold_value_is_read_back_as_it_was_written() {
    let owner = OwnerInfo {
        ttl: Duration::from_secs(30),
        since_unix_ms: 7,
        pid: 42,
        host: OwnerInfo::sanitize_host("my host").into(),
        function: "bank::transfer with spaces".to_owned(),
    };
    let id = RequestId::from_bits(0xfeed);
    let text = owner.to_string();
    let (since, rest) = text.split_once(' ').expect("several words");
    for flag in ['-', 'w'] {
        let value = format!("dl1{flag}{id} {since} 9 1 inbox {rest}");
        let holder = HolderInfo::parse(&value).expect("a hold of ours");
        let fence = Fence::new(9);
        assert_eq!(holder, HolderInfo { id, fence, owner: owner.clone(), held_unix_ms: None });
    }
    let granted = format!("dl1w{id} 7/99 9 1 inbox 30000 42 my_host bank::transfer");
    let holder = HolderInfo::parse(&granted).expect("a hold of ours");
    assert_eq!((holder.owner.since_unix_ms, holder.held_unix_ms), (7, Some(99)));
    assert_eq!(&*owner.host, "my_host");
    assert_eq!(HolderInfo::parse("something else"), None);
    assert_eq!(HolderInfo::parse("dl1-short"), None);
}
