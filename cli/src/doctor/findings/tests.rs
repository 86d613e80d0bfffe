use std::process::Command;

use super::*;
use crate::connection::PemFile;
use crate::doctor::facts::{Sentinel, SlowCommand, Target, WatchedPrimary, fields};

const INFO: &str = "redis_version:7.0.15\nredis_mode:standalone\nrole:master\narch_bits:64\n\
    master_replid:0123456789abcdef\nmaxmemory:0\nmaxmemory_policy:allkeys-lru\nused_memory:900\n\
    aof_enabled:1\nconnected_clients:3\nmaxclients:100\nconnected_slaves:0\n";
const CONFIG: &str = "save:\nappendfsync:everysec\ntcp-keepalive:300\nmin-replicas-to-write:0\n\
    min-replicas-max-lag:10\ncluster-require-full-coverage:no\n";

/// A server like a plain one, but for these lines.
fn server(info: &str, config: &str) -> Server {
    let mut server = Server::new("127.0.0.1:6379");
    server.info = Ok(fields(&format!("{INFO}{info}")));
    server.config = Ok(fields(&format!("{CONFIG}{config}")));
    server
}

fn facts(kind: Kind, servers: Vec<Server>) -> Facts {
    let prefix = "lock:".to_owned();
    let (user, sentinel_user) = (None, None);
    let target = Target { kind, user, has_password: false, tls: None, sentinel_user, prefix };
    Facts { target, servers, sentinels: Vec::new(), failures: Vec::new() }
}

fn ids(facts: &Facts) -> Vec<&'static str> {
    examine(facts).into_iter().map(|finding| finding.id).collect()
}

fn found(server: Server) -> Vec<&'static str> {
    ids(&facts(Kind::Server, vec![server]))
}

#[test]
fn a_plain_server_is_fine() {
    assert_eq!(found(server("", "")), [""; 0]);
}

#[test]
fn each_setting_has_a_finding_of_its_own() {
    for (info, config, id) in [
        ("maxmemory:100000", "", "eviction"),
        ("maxmemory:1000\nmaxmemory_policy:noeviction", "", "memory"),
        ("aof_enabled:0", "", "no-persistence"),
        ("aof_enabled:0", "save:3600 1", "snapshots-only"),
        ("", "appendfsync:no", "appendfsync"),
        ("rdb_last_bgsave_status:err", "save:3600 1", "disk"),
        ("aof_last_write_status:err", "", "disk"),
        ("", "min-replicas-to-write:1", "min-replicas"),
        ("connected_clients:90", "", "maxclients"),
        ("", "tcp-keepalive:0", "keepalive"),
        ("role:slave\nmaster_host:one\nmaster_port:1", "", "replica"),
        ("redis_version:6.0.16", "", "version"),
        ("arch_bits:32", "", "build"),
        ("redis_mode:cluster", "", "cluster-url"),
        ("redis_mode:sentinel", "", "sentinel-url"),
    ] {
        assert_eq!(found(server(info, config)), [id], "{info} {config}");
    }
}

#[test]
fn settings_that_do_no_harm_are_no_findings() {
    for (info, config) in [
        ("maxmemory:1001\nmaxmemory_policy:noeviction", ""),
        ("rdb_last_bgsave_status:err", ""),
        ("rdb_last_bgsave_status:err", "save:3600 1\nstop-writes-on-bgsave-error:no"),
        ("slave0:ip=a,port=1,state=online", "min-replicas-to-write:1"),
        ("", "min-replicas-to-write:1\nmin-replicas-max-lag:0"),
        ("redis_version:6.2.5", ""),
        ("redis_version:255.255.255", ""),
        ("", "cluster-require-full-coverage:yes"),
    ] {
        assert_eq!(found(server(info, config)), [""; 0], "{info} {config}");
    }
}

#[test]
fn a_cluster_needs_newer_servers_in_cluster_mode() {
    let of_cluster = |info| ids(&facts(Kind::Cluster, vec![server(info, "")]));
    assert_eq!(of_cluster(""), ["single-server-url"]);
    assert_eq!(of_cluster("redis_mode:cluster\nredis_version:6.2.5"), ["version"]);
    assert_eq!(of_cluster("redis_mode:cluster\nrole:slave"), [""; 0], "a replica of it is fine");
}

#[test]
fn valkey_has_another_name_for_the_mode() {
    let mut node = server("server_mode:cluster", "");
    node.info.as_mut().unwrap().remove("redis_mode");
    assert_eq!(found(node), ["cluster-url"]);
}

#[test]
fn a_server_that_hides_its_history_is_named() {
    let mut server = server("", "");
    server.info.as_mut().unwrap().remove("master_replid");
    assert_eq!(found(server), ["replication-id"]);
}

#[test]
fn what_cannot_be_read_is_not_fine() {
    let denied = || Refusal::new("NOPERM", "NOPERM no permissions");
    let mut server = server("", "");
    (server.info, server.config) = (Err(denied()), Err(denied()));
    (server.slow, server.foreign) = (Err(denied()), Err(denied()));
    let found = examine(&facts(Kind::Server, vec![server]));
    assert_eq!(found.len(), 4);
    for finding in found {
        assert_eq!(finding.level, Level::Unknown);
        assert!(finding.fix[0].contains("ACL SETUSER default "), "{finding:?}");
    }
}

#[test]
fn a_service_without_config_has_no_line_that_would_help() {
    let mut server = server("", "");
    server.config = Err(Refusal::new("ERR", "ERR unknown command 'config'"));
    let found = examine(&facts(Kind::Server, vec![server]));
    assert_eq!((found[0].id, found[0].level), ("config", Level::Unknown));
    assert!(found[0].fix.is_empty() && found[0].why.contains("unknown command"));
}

#[test]
fn a_refusal_of_everything_is_one_finding() {
    for (code, words, id) in [
        ("NOAUTH", "NOAUTH Authentication required.", "no-password"),
        ("WRONGPASS", "WRONGPASS invalid username-password pair", "wrong-password"),
        ("BUSY", "BUSY Redis is busy running a script", "busy-script"),
        ("LOADING", "LOADING Redis is loading the dataset in memory", "loading"),
        ("", "Connection refused", "unreachable"),
    ] {
        let mut server = Server::new("127.0.0.1:6379");
        server.info = Err(Refusal::new(code, words));
        let mut facts = facts(Kind::Server, vec![server]);
        facts.failures = vec![Failure::Other("the same".to_owned())];
        assert_eq!(ids(&facts), [id]);
    }
}

#[test]
fn a_port_with_tls_is_told_from_one_without() {
    for (has_tls, said, url) in [
        (true, "a:1: the port does not speak TLS; write redis:// for it", "redis://a:1/"),
        (false, "a:1: reset; check, and write rediss:// if it expects TLS", "rediss://a:1/"),
    ] {
        let mut server = Server::new("a:1");
        server.connected = Err(Refusal::new("", "it failed"));
        let mut facts = facts(Kind::Server, vec![server]);
        facts.target.tls = has_tls.then(Certificates::default);
        facts.failures = vec![Failure::Other(said.to_owned())];
        let found = examine(&facts);
        assert_eq!((found.len(), found[0].id), (1, "tls"));
        assert_eq!(found[0].fix, [format!("export DISTLOCK_URL='{url}'")]);
    }
}

#[test]
fn the_library_s_error_is_shown_where_nothing_explains_it() {
    let mut facts = facts(Kind::Server, vec![server("", "")]);
    facts.failures = vec![Failure::Other("it failed".to_owned())];
    assert_eq!(ids(&facts), ["acquire"]);
}

#[test]
fn clocks_round_trips_and_slow_commands_have_limits() {
    let mut near = server("", "");
    (near.clock_ahead_ms, near.round_trip) = (Some(-1_000), Some(Duration::from_millis(49)));
    assert_eq!(found(near), [""; 0]);
    let mut far = server("", "");
    (far.clock_ahead_ms, far.round_trip) = (Some(-1_001), Some(Duration::from_millis(50)));
    far.slow = Ok(vec![SlowCommand { took: Duration::from_secs(1), words: "KEYS *".to_owned() }]);
    assert_eq!(found(far), ["clock", "round-trip", "slow-commands"]);
}

fn sentinel(address: &str, primary: &str, quorum: usize) -> Sentinel {
    let watched = WatchedPrimary { address: primary.to_owned(), quorum, sentinels: 3 };
    Sentinel {
        address: address.to_owned(),
        primary: Ok(watched),
        quorum_check: Ok(()),
        names: vec!["locks".to_owned()],
    }
}

#[test]
fn sentinels_are_compared_with_the_majority() {
    let replicas = "connected_slaves:1\nslave0:ip=a,port=1,state=online";
    let mut facts = facts(Kind::Sentinel("locks".to_owned()), vec![server(replicas, "")]);
    facts.sentinels = vec![sentinel("s:1", "a:1", 2), sentinel("s:2", "b:1", 2)];
    facts.sentinels.push(sentinel("s:3", "a:1", 2));
    let found = examine(&facts);
    assert_eq!((found.len(), found[0].id), (1, "sentinels-disagree"));
    assert_eq!(
        found[0].fix,
        [
            "redis-cli -h s -p 2 SENTINEL REMOVE locks",
            "redis-cli -h s -p 2 SENTINEL MONITOR locks a 1 2",
        ]
    );
    facts.sentinels[1] = sentinel("s:2", "a:1", 5);
    facts.sentinels[1].quorum_check = Err(Refusal::new("NOQUORUM", "NOQUORUM 3 usable Sentinels"));
    let found = examine(&facts);
    assert_eq!((found.len(), found[0].id), (1, "sentinel-quorum"));
    assert_eq!(found[0].fix, ["redis-cli -h s -p 2 SENTINEL SET locks quorum 2"]);
}

#[test]
fn a_cluster_without_all_slots_says_how_many_it_lacks() {
    let mut node = server("redis_mode:cluster", "");
    let line = "07c3 127.0.0.1:6379@16379 myself,master - 0 0 3 connected 0-16380";
    node.cluster_nodes = Ok(NodeLine::parse(line).into_iter().collect());
    node.cluster_info = Ok(fields("cluster_state:fail"));
    let found = examine(&facts(Kind::Cluster, vec![node]));
    let ids: Vec<_> = found.iter().map(|finding| finding.id).collect();
    assert_eq!(ids, ["slots", "no-replicas"]);
    assert!(found[0].what.contains("3 of the slots"), "{}", found[0].what);
}

#[test]
fn lines_are_safe_to_paste() {
    let rules = ["ACL", "SETUSER", "app", "~lock:*", "&lock:inbox:*", ">it's"];
    let tls = Certificates::default();
    assert_eq!(
        redis_cli("[::1]:6379", Some(&tls), &rules),
        r"redis-cli -h ::1 -p 6379 --tls ACL SETUSER app '~lock:*' '&lock:inbox:*' '>it'\''s'"
    );
    assert_eq!(redis_cli("/run/redis.sock", None, &["PING"]), "redis-cli -s /run/redis.sock PING");
    assert_eq!(quoted(""), "''");
    // What would move the cursor of a terminal.
    let key = "lock:{100% it's\\\u{1b}[2J}";
    let line = quoted(key);
    assert_eq!(line, r#""$(printf 'lock:{100%% it'\''s\\\033[2J}')""#);
    let printed = Command::new("sh").args(["-c", &format!("printf %s {line}")]).output().unwrap();
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), key);
}

#[test]
fn lines_have_the_certificates_that_the_command_was_given() {
    let file = |name: &str| PemFile { path: name.into(), content: Vec::new() };
    let ca = Some(file("/etc/our ca.pem"));
    let client = Some([file("cert.pem"), file("key.pem")]);
    assert_eq!(
        redis_cli("a:1", Some(&Certificates { ca, client }), &["PING"]),
        "redis-cli -h a -p 1 --tls --cacert '/etc/our ca.pem' --cert cert.pem --key key.pem PING"
    );
}

#[test]
fn what_is_wrong_with_a_certificate_is_a_finding_of_its_own() {
    let file = || PemFile { path: "x.pem".into(), content: Vec::new() };
    for (words, with_files, id, what) in [
        ("invalid peer certificate: UnknownIssuer", false, "certificate", "not in the system"),
        ("invalid peer certificate: UnknownIssuer", true, "certificate", "file of --tls-ca"),
        (
            "invalid peer certificate: certificate not valid for name \"a\"",
            true,
            "certificate",
            "not for the name a",
        ),
        ("invalid peer certificate: Expired", false, "certificate", "not accepted"),
        ("received fatal alert: CertificateRequired", false, "client-certificate", "--tls-cert"),
        ("received fatal alert: UnknownCA", true, "client-certificate", "of --tls-cert"),
    ] {
        let mut certificates = Certificates::default();
        if with_files {
            (certificates.ca, certificates.client) = (Some(file()), Some([file(), file()]));
        }
        let mut server = Server::new("a:1");
        server.connected = Err(Refusal::new("", words));
        let mut facts = facts(Kind::Server, vec![server]);
        facts.target.tls = Some(certificates);
        let found = examine(&facts);
        assert_eq!((found.len(), found[0].id), (1, id), "{words}");
        assert!(found[0].what.contains(what), "{words}: {}", found[0].what);
    }
}

#[test]
fn a_database_that_the_server_lacks_is_named() {
    let mut server = Server::new("a:1");
    server.connected = Err(Refusal::new("", "Redis server refused: DB index is out of range"));
    let found = examine(&facts(Kind::Server, vec![server]));
    assert_eq!((found.len(), found[0].id), (1, "database"));
    assert_eq!(found[0].fix, ["export DISTLOCK_URL='redis://a:1/0'"]);
}

#[test]
fn urls_never_show_a_password() {
    let mut facts = facts(Kind::Server, vec![server("redis_mode:cluster", "")]);
    (facts.target.user, facts.target.has_password) = (Some("app".to_owned()), true);
    facts.target.tls = Some(Certificates::default());
    let fix = &examine(&facts)[0].fix;
    assert_eq!(*fix, ["export DISTLOCK_URL='rediss-cluster://app:PASSWORD@127.0.0.1:6379/'"]);
}

#[test]
fn the_page_on_operations_has_a_row_for_each_finding() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let page = std::fs::read_to_string(format!("{root}/docs/operators.md")).unwrap();
    let rows: String = page.lines().filter(|line| line.starts_with("| `")).collect();
    let source = include_str!("../findings.rs");
    let mut ids = Vec::new();
    for before in
        ["Level::Error, ", "Level::Warning, ", "Level::Unknown, ", "error(", "cannot_tell("]
    {
        let before = format!("{before}\"");
        let parts = source.split(&before).skip(1);
        ids.extend(parts.filter_map(|part| part.split('"').next()));
    }
    assert!(ids.len() > 30, "{ids:?}");
    for id in ids {
        assert!(rows.contains(&format!("`{id}`")), "{id}");
    }
}
