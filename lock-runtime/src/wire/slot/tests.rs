use super::*;

#[test]
fn the_known_values_of_the_checksum() {
    // The check value of CRC-16/XMODEM is 0x31c3.
    assert_eq!(Slot::of_tag(b"123456789").number(), 0x31c3);
    assert_eq!(Slot::of_tag(b"").number(), 0);
    assert_eq!(Slot::of_tag(b"foo").number(), 12_182);
    assert_eq!(Slot::of_tag(b"somekey").number(), 11_058);
    assert_eq!(Slot::of_tag(b"user1000").number(), 3_443);
}

#[test]
fn a_number_above_the_last_slot_is_none() {
    assert_eq!(Slot::new(16_383).map(Slot::number), Some(16_383));
    assert_eq!(Slot::new(16_384), None);
}

#[test]
fn each_slot_has_the_smallest_decimal_tag() {
    let mut first = vec![None; Slot::COUNT];
    for number in 0..200_000 {
        let tag = number.to_string();
        first[usize::from(Slot::of_tag(tag.as_bytes()).number())].get_or_insert(tag);
    }
    for (number, tag) in (0..).zip(first) {
        assert_eq!(tag.as_deref(), Slot::new(number).map(Slot::tag));
    }
}

#[test]
fn a_server_computes_the_same_slots() {
    let server = testkit::RedisServer::builder().arg("cluster-enabled", "yes").start().unwrap();
    let mut asked = redis::pipe();
    let tags = (0..16_384).filter_map(Slot::new).map(Slot::tag).chain(["", "a{b", "größe", "}x"]);
    for tag in tags.clone() {
        asked.cmd("CLUSTER").arg("KEYSLOT").arg(tag);
    }
    let slots: Vec<u16> = asked.query(&mut server.connection()).unwrap();
    for (tag, slot) in tags.zip(slots) {
        assert_eq!(Slot::of_tag(tag.as_bytes()).number(), slot, "{tag}");
    }
}
