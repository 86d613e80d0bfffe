use super::super::*;

fn hello(entries: &[(&str, &str)]) -> Value {
    let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
    Value::Map(entries.iter().map(|(name, value)| (text(name), text(value))).collect())
}

fn verdict(hello: Option<&Value>, info: Option<&str>) -> Option<(ConnectErrorKind, String)> {
    match Facts::new(hello, info).check(&Keyspace::new("lock:")) {
        Err(OpenError::Unfit(kind, text)) => Some((kind, text)),
        _ => None,
    }
}

#[test]
fn each_kind_of_server_that_keeps_no_locks_gets_a_sentence_of_its_own() {
    let rows = [
        ("redis_mode:sentinel\r\n", ConnectErrorKind::Permanent, "a Sentinel"),
        ("redis_mode:cluster\r\nrole:slave\r\n", ConnectErrorKind::Permanent, "a Redis Cluster"),
        ("redis_mode:standalone\r\nrole:slave\r\n", ConnectErrorKind::Unreachable, "a replica"),
        ("redis_version:6.0.16\r\nrole:master\r\n", ConnectErrorKind::Permanent, "Redis 6.0.16"),
        ("role:master\r\narch_bits:32\r\n", ConnectErrorKind::Permanent, "a 32-bit build"),
    ];
    for (info, kind, what) in rows {
        let (found, text) = verdict(None, Some(info)).expect(info);
        assert!(found == kind && text.contains(what) && text.contains("; "), "{text}");
    }
    for version in ["6.2.0", "7.0.15", "8.1.8", "255.255.255"] {
        let info = format!("redis_version:{version}\r\nrole:master\r\nredis_mode:standalone\r\n");
        assert_eq!(verdict(None, Some(&info)), None);
    }
    assert_eq!(verdict(None, None), None);
}

#[test]
fn a_cluster_needs_nodes_with_sharded_channels() {
    let verdict =
        |info: &str| match Facts::new(None, Some(info)).check(&Keyspace::new("lock:").sharded()) {
            Err(OpenError::Unfit(kind, text)) => Some((kind, text)),
            _ => None,
        };
    let rows = [
        ("redis_mode:standalone\r\nrole:master\r\n", "no node of a Redis Cluster"),
        ("redis_mode:cluster\r\nredis_version:6.2.5\r\nrole:master\r\n", "Redis 6.2.5"),
        ("redis_mode:cluster\r\nredis_version:7.0.15\r\nrole:slave\r\n", "a replica"),
    ];
    for (info, what) in rows {
        let (_, text) = verdict(info).expect(info);
        assert!(text.contains(what) && text.contains("; "), "{text}");
    }
    let node = "redis_mode:cluster\r\nredis_version:7.0.15\r\nrole:master\r\n";
    assert_eq!(verdict(node), None);
    assert_eq!(verdict("cluster_enabled:1\r\nrole:master\r\n"), None);
}

#[test]
fn hello_is_believed_where_info_is_denied() {
    let replica = hello(&[("version", "7.0.15"), ("mode", "standalone"), ("role", "replica")]);
    assert!(verdict(Some(&replica), None).is_some());
    let primary = hello(&[("version", "7.0.15"), ("mode", "standalone"), ("role", "master")]);
    assert_eq!(verdict(Some(&primary), None), None);
}
