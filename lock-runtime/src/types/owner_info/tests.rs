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
    for flag in ['-', 'w'] {
        let holder =
            HolderInfo::parse(&format!("dl1{flag}{id} 9 1 inbox {owner}")).expect("a hold of ours");
        let fence = Fence::new(9);
        assert_eq!(holder, HolderInfo { id, fence, owner: owner.clone(), held_unix_ms: None });
    }
    let granted = format!("dl1w{id} 9 1 inbox 30000 7/99 42 my_host bank::transfer");
    let holder = HolderInfo::parse(&granted).expect("a hold of ours");
    assert_eq!((holder.owner.since_unix_ms, holder.held_unix_ms), (7, Some(99)));
    assert_eq!(&*owner.host, "my_host");
    assert_eq!(HolderInfo::parse("something else"), None);
    assert_eq!(HolderInfo::parse("dl1-short"), None);
}
