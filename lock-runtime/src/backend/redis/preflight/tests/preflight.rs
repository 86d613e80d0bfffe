use super::super::{hazards, warnings};

#[test]
fn a_server_that_denies_info_is_said_to_be_unknown() {
    let found = warnings(None);
    assert!(found.len() == 1 && found[0].contains("cannot tell"), "{found:?}");
    assert_eq!(warnings(Some("maxmemory:0\r\n")), Vec::<String>::new());
}

#[test]
fn a_server_that_evicts_is_named_and_a_plain_one_is_not() {
    let safe =
        "redis_version:7.0.15\r\nrole:master\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n";
    assert_eq!(hazards(safe), Vec::<String>::new());
    let bad = "maxmemory:100\r\nmaxmemory_policy:allkeys-lru\r\n";
    let found = hazards(bad);
    assert!(found.len() == 1 && found[0].contains("allkeys-lru"), "{found:?}");
}
