use super::RequestId;

#[test]
fn a_nonce_is_read_from_its_digits_alone() {
    let id = RequestId::from_bits(0xfeed);
    assert_eq!(RequestId::parse(&id.to_string()), Some(id));
    for odd in ["+000000000000000000000000000feed", "feed", "éééééééééééééééé", ""]
    {
        let padded = format!("{odd:0>32}");
        assert_eq!(RequestId::parse(odd), None, "{odd}");
        assert_eq!(RequestId::parse(&padded).is_some(), padded.is_ascii() && !odd.contains('+'));
    }
}
