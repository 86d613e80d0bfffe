use super::super::{hazards, warnings};

#[test]
fn a_server_that_denies_info_is_said_to_be_unknown() {
    let found = warnings(None);
    assert!(found.len() == 1 && found[0].contains("cannot tell"), "{found:?}");
    let known = "maxmemory:0\r\nmaster_replid:0123456789abcdef\r\n";
    assert_eq!(warnings(Some(known)), Vec::<String>::new());
}

#[test]
fn a_server_that_evicts_is_named_and_a_plain_one_is_not() {
    let safe = "redis_version:7.0.15\r\nrole:master\r\nmaster_replid:0123456789abcdef\r\n\
        maxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n";
    assert_eq!(hazards(safe), Vec::<String>::new());
    let bad = "master_replid:0123456789abcdef\r\nmaxmemory:100\r\nmaxmemory_policy:allkeys-lru\r\n";
    let found = hazards(bad);
    assert!(found.len() == 1 && found[0].contains("allkeys-lru"), "{found:?}");
}

#[test]
fn a_server_that_does_not_say_when_it_fails_over_is_named() {
    for (info, what) in [
        ("role:master\r\n", "failovers go unnoticed"),
        ("run_id:0123456789abcdef\r\n", "a failover back to an earlier primary goes unnoticed"),
    ] {
        let found = hazards(info);
        assert!(found.len() == 1 && found[0].contains(what), "{found:?}");
    }
}
