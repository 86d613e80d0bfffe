mod max_lease;

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

#[test]
fn a_key_cannot_take_the_name_of_another_key_of_a_lock() {
    let space = Keyspace::new("lock:");
    assert_eq!(space.hold("order:7"), "lock:{order:7}");
    assert!(space.hold("order:7}:queue").ends_with('}'), "every hold ends in a brace");
}

#[test]
fn only_the_names_of_holds_are_read_as_such() {
    let space = Keyspace::new("lock:").sharded();
    let key = |name: &str| space.key_of_hold(name).map(str::to_owned);
    assert_eq!(key("lock:{order:7}").as_deref(), Some("order:7"));
    assert_eq!(key("lock:{b}a{b}c}").as_deref(), Some("a{b}c"));
    assert_eq!(key("lock:odd{~}}").as_deref(), Some(""));
    let slot = space.slot("order:7");
    let section = RequestId::from_bits(7);
    let others = [space.tokens_in(slot), space.blocked(section), space.inbox_in(slot, "x}")];
    let foreign = ["lock:", "lock:}", "lock:{}", "lock:{a", "lock:a}", "lock:a{b}", "shop:{a}"];
    for name in others.iter().map(String::as_str).chain(foreign) {
        assert_eq!(key(name), None, "{name}");
    }
    assert_eq!(key(&format!("{}:queue", space.hold("order:7"))), None);
    assert_eq!(Keyspace::new("a*[b:").holds_pattern(), r"a\*\[b:*}");
}

#[test]
fn a_key_that_begins_with_the_tag_of_another_one_has_a_name_of_its_own() {
    let space = Keyspace::new("lock:");
    for (key, other) in [("{}a{{}", "a{{}"), ("{}{{}", "{{}"), ("b{}{b{}", "{b{}")] {
        assert_eq!(space.hold(key), format!("lock:odd{{~}}{key}}}"), "{other}");
        assert_ne!(space.hold(key), space.hold(other));
    }
    assert_eq!(space.hold("{}b"), "lock:{{}b}", "no other key has this name");
}

/// Keys, many of which have braces in odd places.
fn key() -> impl Strategy<Value = String> {
    prop_oneof!["[{}a~]{0,7}", "[{}:a-c]{0,12}", ".{0,8}"]
}

proptest! {
    #[test]
    fn different_keys_have_different_names(keys in prop::collection::vec(key(), 2..40)) {
        let space = Keyspace::new("lock:");
        let mut names = HashMap::new();
        for key in keys {
            let name = space.hold(&key);
            let others = ["fence", "blocked:", "inbox:"].map(|other| format!("lock:{other}"));
            prop_assert!(name.ends_with('}'), "{name}");
            prop_assert!(!others.iter().any(|other| name.starts_with(other)));
            let parts = space.hold_parts(&key).concat();
            prop_assert_eq!(name.as_bytes(), &parts[..]);
            prop_assert_eq!(space.key_of_hold(&name), Some(&*key));
            let same = names.entry(name).or_insert_with(|| key.clone());
            prop_assert_eq!(&*same, &key);
        }
    }

    #[test]
    fn a_name_is_that_of_a_hold_or_of_none(rest in "[{}a~od]{0,9}", odd in any::<bool>()) {
        let space = Keyspace::new("lock:").sharded();
        let name = format!("lock:{}{rest}}}", if odd { "odd{~}" } else { "" });
        if let Some(key) = space.key_of_hold(&name) {
            prop_assert_eq!(space.hold(key), name);
        }
    }

    #[test]
    fn the_slot_of_a_key_is_that_of_its_lock(key in key()) {
        let space = Keyspace::new("lock:").sharded();
        prop_assert_eq!(space.slot(&key).number(), slot(&space.hold(&key)));
    }

    #[test]
    fn plain_keys_are_their_own_tag(key in "[^{}]{1,12}") {
        prop_assert_eq!(Keyspace::new("lock:").hold(&key), format!("lock:{{{key}}}"));
    }
}

/// The slot of a name as the specification of Redis Cluster gives it: CRC16 (XMODEM) of the hash
/// tag, or of the whole name, modulo 16384.
fn slot(name: &str) -> u16 {
    let open = name.find('{').map_or(0, |at| at + 1);
    let close = name[open..].find('}').filter(|&length| open > 0 && length > 0);
    let hashed = close.map_or(name, |length| &name[open..open + length]);
    let shift = |crc: u16| (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 };
    let add = |crc, byte: u8| (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| shift(crc));
    hashed.bytes().fold(0, add) % 16384
}

#[test]
fn all_names_of_a_lock_are_in_the_slot_of_its_hash_tag() {
    // As `CLUSTER KEYSLOT` answers.
    assert_eq!((slot("123456789"), slot("foo"), slot("a{foo}b")), (12739, 12182, 12182));
    let space = Keyspace::new("lock:");
    let odd = ["a{b}c", "{Test}:x", "}x", "", "{}b", "}{b}", "a}b", "a{b", "{", "{}{b}", "{a{b}"];
    for key in ["order:7"].into_iter().chain(odd) {
        let hold = space.hold(key);
        for companion in [":queue", ":waiters"] {
            assert_eq!(slot(&format!("{hold}{companion}")), slot(&hold), "{hold}{companion}");
        }
        if hash_tag(key).is_some() {
            assert_eq!(slot(&hold), slot(key), "{hold} is not beside the data");
        }
    }
}

#[test]
fn tokens_and_inboxes_of_a_slot_are_in_it() {
    let space = Keyspace::new("lock:").sharded();
    let of = |key| space.slot(key);
    assert_eq!(of("foo").number(), 12_182);
    assert_eq!(space.tokens_in(of("foo")), format!("lock:tokens:{{{}}}", of("foo").tag()));
    for key in ["foo", "a{foo}b", "", "}x", "größe"] {
        assert_eq!(of(key).number(), slot(&space.hold(key)), "{key}");
        assert_eq!(of(key).number(), slot(&space.tokens_in(of(key))), "{key}");
        assert_eq!(of(key).number(), slot(&space.inbox_in(of(key), "process")), "{key}");
    }
}
