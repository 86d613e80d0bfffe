//! `distlock doctor` as it is typed, with real servers: each misconfiguration is found, and gone
//! once the printed lines were run.

mod support;

use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use distlock::LockManager;
use redis::Value;
use serde_json::Value as Json;
use testkit::{Cluster, Direction, FaultProxy, RedisServer, Sentinels, eventually};

use crate::support::distlock;

/// The limit of any wait.
const LIMIT: Duration = Duration::from_secs(30);

fn run(url: &str, words: &[&str]) -> Output {
    distlock(url, &[&["doctor"], words].concat()).output().unwrap()
}

/// All that is found.
fn found(url: &str) -> Vec<Json> {
    let output = run(url, &["--json"]);
    let report: Json = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let found = report["findings"].as_array().unwrap().clone();
    let code = i32::from(!found.is_empty());
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    for finding in &found {
        for part in ["id", "level", "what", "why"] {
            assert!(!finding[part].as_str().unwrap().is_empty(), "{part} of {finding}");
        }
    }
    found
}

/// The only finding of this kind.
fn finding(url: &str, id: &str) -> Json {
    let all = found(url);
    let mut these = all.iter().filter(|finding| finding["id"] == id);
    match (these.next(), these.next()) {
        (Some(one), None) => one.clone(),
        _ => panic!("one finding {id} in {all:#?}"),
    }
}

fn is_found(url: &str, id: &str) -> bool {
    found(url).iter().any(|finding| finding["id"] == id)
}

fn lines(finding: &Json) -> Vec<String> {
    let lines = finding["fix"].as_array().unwrap().iter();
    lines.map(|line| line.as_str().unwrap().to_owned()).collect()
}

/// Runs a line as it is pasted.
fn paste(line: &str) {
    let output = Command::new("sh").args(["-c", line]).stdin(Stdio::null()).output().unwrap();
    // `redis-cli` prints errors of the server, and ends as if nothing was wrong.
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let is_refused = ["ERR", "NOAUTH", "NOPERM", "WRONGPASS"].iter().any(|e| text.starts_with(e));
    assert!(output.status.success() && !is_refused, "{line}: {output:?}");
}

fn paste_all(finding: &Json) {
    let lines = lines(finding);
    assert!(!lines.is_empty(), "{finding}");
    for line in &lines {
        paste(line);
    }
}

/// The URL that a line sets.
fn url_in(finding: &Json) -> String {
    let [line] = &lines(finding)[..] else { panic!("one line in {finding}") };
    let script = format!("{line}; printf %s \"$DISTLOCK_URL\"");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// It is found, and gone once its lines were run.
fn is_repaired(url: &str, id: &str, words: &str) -> Json {
    let finding = finding(url, id);
    assert!(finding["what"].as_str().unwrap().contains(words), "{finding}");
    paste_all(&finding);
    eventually(LIMIT, "it is repaired", || !is_found(url, id));
    finding
}

/// One that is fine. It notes no slow commands, which all are on a busy machine.
fn server() -> RedisServer {
    builder().append_only(true).start().unwrap()
}

fn builder() -> testkit::Builder {
    RedisServer::builder().arg("slowlog-log-slower-than", "-1")
}

fn set(server: &RedisServer, name: &str, value: &str) {
    server.command(&["CONFIG", "SET", name, value]);
}

fn info(server: &RedisServer, name: &str) -> String {
    let info: String = server.ask(&["INFO"]).expect("the server answers");
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.expect("INFO has the field").trim().to_owned()
}

#[test]
fn a_server_that_is_fine_has_no_findings() {
    let server = server();
    let output = run(&server.url(), &[]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "nothing is wrong with 1 server\n");
    assert_eq!(output.status.code(), Some(0));
    // It leaves no lock behind.
    let locks = LockManager::connect(&server.url()).unwrap();
    assert!(locks.list().next_blocking().unwrap().is_none());
    for (url, what) in [
        ("memory://", "memory:// has no server to check"),
        ("nonsense", "the server's URL cannot be used (it has no scheme)"),
        ("redis-sentinel://one/", "the primary has no name"),
    ] {
        let output = run(url, &[]);
        assert_eq!(output.status.code(), Some(125), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(what), "{output:?}");
    }
}

#[test]
fn what_is_ignored_is_not_reported() {
    let server = builder().start().unwrap();
    let output = run(&server.url(), &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with("warning [no-persistence] 127.0.0.1:"), "{text}");
    assert!(text.contains("\n  why: ") && text.contains("\n  fix: redis-cli -h 127.0.0.1 -p "));
    assert!(text.ends_with("errors: 0, warnings: 1, cannot tell: 0, on 1 server\n"), "{text}");
    let ignored = run(&server.url(), &["--ignore", "no-persistence"]);
    assert_eq!(ignored.status.code(), Some(0), "{ignored:?}");
}

#[test]
fn a_server_that_may_evict_locks() {
    let server = server();
    set(&server, "maxmemory-policy", "allkeys-lru");
    assert!(!is_found(&server.url(), "eviction"), "without a limit nothing is evicted");
    set(&server, "maxmemory", "100mb");
    is_repaired(&server.url(), "eviction", "allkeys-lru");
}

#[test]
fn a_server_that_is_nearly_full() {
    let server = server();
    server.command(&["SETRANGE", "data", "20000000", "."]);
    let used: u64 = info(&server, "used_memory").parse().unwrap();
    set(&server, "maxmemory", &(used + used / 20).to_string());
    is_repaired(&server.url(), "memory", "bytes of maxmemory");
}

#[test]
fn a_server_that_writes_nothing_to_disk() {
    let server = RedisServer::start().unwrap();
    is_repaired(&server.url(), "no-persistence", "nothing to disk");
}

#[test]
fn a_server_that_writes_only_snapshots() {
    let server = RedisServer::start().unwrap();
    set(&server, "save", "3600 1");
    is_repaired(&server.url(), "snapshots-only", "snapshots");
}

#[test]
fn a_server_that_leaves_syncing_to_the_system() {
    let server = server();
    set(&server, "appendfsync", "no");
    is_repaired(&server.url(), "appendfsync", "appendfsync is no");
}

#[test]
fn a_server_that_refuses_writes_because_of_its_disk() {
    let server = RedisServer::start().unwrap();
    set(&server, "save", "3600 1");
    let dir: Vec<String> = server.ask(&["CONFIG", "GET", "dir"]).unwrap();
    let in_the_way = std::path::Path::new(&dir[1]).join("dump.rdb");
    std::fs::create_dir(&in_the_way).unwrap();
    server.command(&["BGSAVE"]);
    eventually(LIMIT, "it fails", || info(&server, "rdb_last_bgsave_status") == "err");
    assert!(is_found(&server.url(), "disk"));
    std::fs::remove_dir(&in_the_way).unwrap();
    let finding = is_repaired(&server.url(), "disk", "snapshot");
    assert_eq!(finding["level"], "error", "{finding}");
}

#[test]
fn a_server_that_waits_for_replicas() {
    let server = server();
    set(&server, "min-replicas-to-write", "1");
    let finding = is_repaired(&server.url(), "min-replicas", "0 replicas are online");
    assert_eq!(finding["level"], "error", "{finding}");
    assert!(!is_found(&server.url(), "acquire"));
}

#[test]
fn a_url_of_a_replica() {
    let (primary, replica) = (server(), RedisServer::start().unwrap());
    replica.command(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    let finding = finding(&replica.url(), "replica");
    assert_eq!(url_in(&finding), primary.url());
    assert_eq!(found(&url_in(&finding)), [Json::Null; 0]);
}

#[test]
fn a_password_that_is_wrong_or_missing() {
    let server = server();
    server.command(&["ACL", "SETUSER", "app", "on", ">right", "~*", "&*", "+@all"]);
    let url = |user: &str| format!("redis://{user}127.0.0.1:{}/", server.port());
    let wrong = url("app:wrong@");
    let finding = finding(&wrong, "wrong-password");
    assert!(!finding.to_string().contains(":wrong@"), "{finding}");
    paste(&lines(&finding)[0].replace("PASSWORD", "wrong"));
    assert_eq!(found(&wrong), [Json::Null; 0]);
    // A server without a password accepts each.
    assert_eq!(found(&url(":secret@")), [Json::Null; 0]);
    // None for a server with one.
    set(&server, "requirepass", "secret");
    let finding = crate::finding(&server.url(), "no-password");
    assert_eq!(found(&url_in(&finding).replace("PASSWORD", "secret")), [Json::Null; 0]);
}

/// The rules that an error of the library shows, without what is not needed here. HELLO is allowed
/// before the user is known.
const RULES: &str = "~lock:* &lock:inbox:* +evalsha +script|load +script|exists +subscribe +watch \
    +multi +exec +publish +pubsub|numsub +time +exists +get +mget +set +setrange +del +pttl \
    +pexpire +zadd +zrem +zrange +zcount +zscore +hset +hget +hmget +hdel +hgetall +hincrby";

#[test]
fn each_right_that_a_user_lacks() {
    let server = server();
    let url = format!("redis://app:secret@127.0.0.1:{}/", server.port());
    let rules: Vec<_> = RULES.split_whitespace().collect();
    for lacking in &rules {
        let mut words = vec!["ACL", "SETUSER", "app", "reset", "on", ">secret"];
        words.extend(rules.iter().filter(|rule| rule != &lacking));
        words.extend(["+info", "+config|get", "+slowlog|get", "+scan", "+type"]);
        server.command(&words);
        let finding = finding(&url, "rights");
        let what = finding["what"].as_str().unwrap();
        assert!(what.contains("'app' lacks") && what.contains(*lacking), "{lacking}: {what}");
        paste_all(&finding);
        assert_eq!(found(&url), [Json::Null; 0], "{lacking}");
    }
}

#[test]
fn what_a_user_may_not_read_is_not_taken_for_fine() {
    let server = server();
    let url = format!("redis://app:secret@127.0.0.1:{}/", server.port());
    let mut words = vec!["ACL", "SETUSER", "app", "on", ">secret", "resetchannels"];
    words.extend(RULES.split_whitespace());
    server.command(&words);
    let all = found(&url);
    let ids: Vec<_> = all.iter().map(|finding| finding["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["info", "config", "slowlog", "scan"], "{all:#?}");
    for finding in &all {
        assert_eq!(finding["level"], "unknown");
        paste_all(finding);
    }
    assert_eq!(found(&url), [Json::Null; 0]);
}

#[test]
fn a_script_that_does_not_end() {
    let server = server();
    set(&server, "lua-time-limit", "10");
    thread::scope(|scope| {
        let script = scope.spawn(|| {
            let mut command = redis::cmd("EVAL");
            command.arg("while true do end").arg(0).query::<Value>(&mut server.connection())
        });
        eventually(LIMIT, "it is found", || is_found(&server.url(), "busy-script"));
        is_repaired(&server.url(), "busy-script", "a script");
        script.join().unwrap().unwrap_err();
    });
}

#[test]
fn commands_that_keep_a_server_busy() {
    let server = server();
    assert!(!is_found(&server.url(), "slow-commands"));
    set(&server, "slowlog-log-slower-than", "10000");
    let script = "local t = redis.call('TIME'); local from = t[1] * 1000000 + t[2] \
                  repeat t = redis.call('TIME') until t[1] * 1000000 + t[2] > from + 200000";
    server.command(&["EVAL", script, "0"]);
    // Of the commands that follow, none counts.
    set(&server, "slowlog-log-slower-than", "-1");
    is_repaired(&server.url(), "slow-commands", "EVAL local t");
}

#[cfg(target_os = "linux")]
#[test]
fn a_command_that_was_renamed() {
    let server = RedisServer::builder()
        .append_only(true)
        .arg("rename-command EVALSHA", "hidden")
        .start()
        .unwrap();
    let finding = finding(&server.url(), "commands");
    assert!(finding["what"].as_str().unwrap().contains("EVALSHA"), "{finding}");
    // The line edits a file like this one.
    let dir = std::env::temp_dir().join(format!("distlock-doctor-{}", server.port()));
    std::fs::create_dir(&dir).unwrap();
    let file = dir.join("redis.conf");
    std::fs::write(&file, "port 0\nrename-command EVALSHA hidden\nsave \"\"\n").unwrap();
    let line = lines(&finding)[0].replace("sudo ", "");
    paste(&line.replace("/etc/redis/redis.conf", file.to_str().unwrap()));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "port 0\nsave \"\"\n");
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn too_many_connections() {
    let server = server();
    set(&server, "maxclients", "20");
    let open: Vec<_> = (0..17).map(|_| server.connection()).collect();
    is_repaired(&server.url(), "maxclients", "of 20 connections");
    drop(open);
}

#[test]
fn a_server_that_never_notices_dead_hosts() {
    let server = server();
    set(&server, "tcp-keepalive", "0");
    is_repaired(&server.url(), "keepalive", "tcp-keepalive is 0");
}

#[test]
fn keys_of_others_with_the_names_of_locks() {
    let server = server();
    server.command(&["SADD", "lock:{report}", "1"]);
    server.command(&["SET", "lock:{expires}", "1"]);
    server.command(&["SADD", "lock:unlike", "1"]);
    let locks = LockManager::connect(&server.url()).unwrap();
    let guard = locks.mutex("held").acquire_blocking().unwrap();
    let all = found(&server.url());
    assert_eq!(all.len(), 2, "{all:#?}");
    for finding in &all {
        assert_eq!(finding["id"], "foreign-key", "{finding}");
        paste_all(finding);
    }
    assert_eq!(found(&server.url()), [Json::Null; 0]);
    guard.release_blocking().unwrap();
}

#[test]
fn a_foreign_key_with_control_characters_is_safe_to_show_and_to_paste() {
    let server = server();
    server.command(&["SADD", "lock:{a\u{1b}[2J\n'%s'\\}", "1"]);
    let output = run(&server.url(), &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("[foreign-key]") && !text.contains('\u{1b}'), "{text:?}");
    is_repaired(&server.url(), "foreign-key", "has the name of a lock");
}

#[test]
fn a_database_that_the_server_does_not_have() {
    let server = server();
    let finding = finding(&format!("{}99", server.url()), "database");
    assert_eq!(url_in(&finding), format!("{}0", server.url()));
    assert_eq!(found(&url_in(&finding)), [Json::Null; 0]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_clock_that_is_wrong() {
    let server = RedisServer::builder().append_only(true).with_clock().start().unwrap();
    assert!(!is_found(&server.url(), "clock"));
    server.clock().jump_ahead(Duration::from_secs(60));
    let finding = finding(&server.url(), "clock");
    assert!(finding["what"].as_str().unwrap().contains("ahead"), "{finding}");
    server.clock().reset();
    assert!(!is_found(&server.url(), "clock"));
}

#[test]
fn a_server_that_is_far_away() {
    let server = server();
    let proxy = FaultProxy::start(&server).unwrap();
    proxy.delay(Direction::ToClient, Duration::from_millis(60));
    let finding = finding(&proxy.url(), "round-trip");
    assert_eq!(finding["level"], "warning", "{finding}");
    proxy.heal();
    eventually(LIMIT, "it is near", || !is_found(&proxy.url(), "round-trip"));
}

#[test]
fn a_server_that_cannot_be_reached() {
    let server = server();
    server.kill();
    let finding = finding(&server.url(), "unreachable");
    assert_eq!(found(&server.url()).len(), 1, "the library's error is the same");
    server.restart().unwrap();
    paste_all(&finding);
    assert_eq!(found(&server.url()), [Json::Null; 0]);
}

#[cfg(feature = "tls")]
#[test]
fn a_url_for_tls_of_a_port_without() {
    let server = server();
    let finding = finding(&format!("rediss://127.0.0.1:{}/", server.port()), "tls");
    assert_eq!(url_in(&finding), server.url());
    assert_eq!(found(&url_in(&finding)), [Json::Null; 0]);
}

#[test]
fn a_loss_of_data_that_is_waited_out() {
    let server = server();
    let locks = LockManager::connect(&server.url()).unwrap();
    let request = locks.mutex("held").ttl(Duration::from_secs(3600));
    request.acquire_blocking().unwrap().release_blocking().unwrap();
    server.command(&["FLUSHALL"]);
    let finding = finding(&server.url(), "paused");
    assert!(finding["what"].as_str().unwrap().contains("lost"), "{finding}");
}

#[test]
fn urls_of_another_kind_of_server() {
    let (server, cluster) = (server(), Cluster::bare(2).unwrap());
    let address = &cluster.addresses()[0];
    let to_cluster = finding(&format!("redis://{address}/"), "cluster-url");
    assert_eq!(url_in(&to_cluster), format!("redis-cluster://{address}/"));
    assert!(!is_found(&url_in(&to_cluster), "cluster-url"));
    let url = format!("redis-cluster://127.0.0.1:{}", server.port());
    assert_eq!(url_in(&finding(&url, "single-server-url")), server.url());
    let (sentinels, _) = Sentinels::watching(&server).unwrap();
    let to_sentinels = finding(&sentinels[0].url(), "sentinel-url");
    let url = format!("redis-sentinel://127.0.0.1:{}/locks", sentinels[0].port());
    assert_eq!(url_in(&to_sentinels), url);
    assert!(!is_found(&url, "sentinel-url"));
}

#[test]
fn sentinels_that_cannot_decide_a_failover() {
    let (server, other) = (server(), RedisServer::start().unwrap());
    let (sentinels, url) = Sentinels::watching(&server).unwrap();
    let others = |sentinel: &RedisServer| -> Option<String> {
        let said: Vec<String> = sentinel.ask(&["SENTINEL", "MASTER", Sentinels::NAME])?;
        let place = said.iter().position(|word| word == "num-other-sentinels")?;
        said.get(place + 1).cloned()
    };
    let know_each_other = || sentinels.iter().all(|one| others(one).as_deref() == Some("2"));
    eventually(LIMIT, "they know each other", know_each_other);
    let first = &sentinels[0];
    // The primary has no replica to be promoted.
    let finding = finding(&url, "no-replicas");
    let replica = RedisServer::start().unwrap();
    for line in lines(&finding) {
        paste(&line.replace("-h REPLICA -p 6379", &format!("-h 127.0.0.1 -p {}", replica.port())));
    }
    eventually(LIMIT, "it has one", || !is_found(&url, "no-replicas"));
    // A second one, for a primary that is cut off from both.
    let second = RedisServer::start().unwrap();
    second.command(&["REPLICAOF", "127.0.0.1", &server.port().to_string()]);
    eventually(LIMIT, "both are online", || is_found(&url, "min-replicas-unset"));
    is_repaired(&url, "min-replicas-unset", "two replicas");
    // A quorum that is never reached.
    first.command(&["SENTINEL", "SET", Sentinels::NAME, "quorum", "4"]);
    is_repaired(&url, "sentinel-quorum", "quorum is 4");
    // A name that none of them knows.
    let unknown = url.replace("/locks", "/lokcs");
    let all = found(&unknown);
    let wrong: Vec<_> = all.iter().filter(|finding| finding["id"] == "sentinel-name").collect();
    assert_eq!(wrong.len(), 3, "{all:#?}");
    assert!(url_in(wrong[0]).ends_with("/locks"), "{}", wrong[0]);
    assert!(!is_found(&url_in(wrong[0]), "sentinel-name"));
    // One that watches another server under this name.
    let port = other.port().to_string();
    first.command(&["SENTINEL", "REMOVE", Sentinels::NAME]);
    first.command(&["SENTINEL", "MONITOR", Sentinels::NAME, "127.0.0.1", &port, "2"]);
    eventually(LIMIT, "it is found", || is_found(&url, "sentinels-disagree"));
    is_repaired(&url, "sentinels-disagree", &port);
    eventually(LIMIT, "they know each other", know_each_other);
    // One that does not know the name.
    first.command(&["SENTINEL", "REMOVE", Sentinels::NAME]);
    is_repaired(&url, "sentinel-name", "knows no primary 'locks'");
    eventually(LIMIT, "they know each other", know_each_other);
    // One that is gone, and one that is alone.
    sentinels[2].kill();
    eventually(LIMIT, "it is found", || is_found(&url, "sentinel-down"));
    sentinels[2].restart().unwrap();
    eventually(LIMIT, "it is back", || !is_found(&url, "sentinel-down"));
}

#[test]
fn sentinels_with_a_user_of_their_own() {
    let server = server();
    let (sentinels, url) = Sentinels::watching(&server).unwrap();
    let all = |words: &[&str]| sentinels.iter().for_each(|one| drop(one.command(words)));
    let ids = |user: &[&str]| -> Vec<(String, String)> {
        let output = run(&url, &[user, &["--json"]].concat());
        let report: Json = serde_json::from_slice(&output.stdout).unwrap();
        let text = |finding: &Json, part: &str| finding[part].as_str().unwrap().to_owned();
        let found = report["findings"].as_array().unwrap().iter();
        let of_sentinels = found.filter(|one| text(one, "id").starts_with("sentinel-"));
        of_sentinels.map(|one| (text(one, "id"), one["fix"][0].as_str().unwrap().into())).collect()
    };
    let right = ["--sentinel-user", "watch", "--sentinel-password", "right"];
    all(&["ACL", "SETUSER", "watch", "on", ">right", "&*", "+hello", "+subscribe"]);
    let lacking = ids(&right);
    assert_eq!(lacking.len(), 3, "{lacking:?}");
    for (id, line) in &lacking {
        assert_eq!(id, "sentinel-user");
        paste(line);
    }
    // Enough for locks; the rest is for this command.
    let unknown = ids(&right);
    assert_eq!(unknown.len(), 3, "{unknown:?}");
    for (id, line) in &unknown {
        assert_eq!(id, "sentinel-quorum");
        paste(line);
    }
    let is_fine = |user: &[&str]| ids(user).is_empty();
    eventually(LIMIT, "nothing is wrong with the user", || is_fine(&right));
    // A password that is wrong, and one that is missing.
    let wrong = ["--sentinel-user", "watch", "--sentinel-password", "other"];
    let refused = ids(&wrong);
    assert_eq!(refused.len(), 3, "{refused:?}");
    for (id, line) in &refused {
        assert_eq!(id, "sentinel-user");
        paste(&line.replace("PASSWORD", "other"));
    }
    assert!(is_fine(&wrong));
    all(&["ACL", "SETUSER", "default", "resetpass", ">secret"]);
    let missing = ids(&[]);
    assert_eq!(missing.len(), 3, "{missing:?}");
    for (id, line) in &missing {
        assert_eq!(id, "sentinel-user");
        assert!(line.ends_with(" DISTLOCK_SENTINEL_PASSWORD=PASSWORD"), "{line}");
    }
    assert!(is_fine(&["--sentinel-password", "secret"]));
}

#[test]
fn one_sentinel_is_too_few() {
    let server = server();
    let sentinel = RedisServer::builder().sentinel().start().unwrap();
    let port = server.port().to_string();
    sentinel.command(&["SENTINEL", "MONITOR", "locks", "127.0.0.1", &port, "1"]);
    let url = format!("redis-sentinel://127.0.0.1:{}/locks", sentinel.port());
    let line = &lines(&finding(&url, "few-sentinels"))[0];
    let more: Vec<_> = (0..2).map(|_| RedisServer::builder().sentinel().start().unwrap()).collect();
    for one in &more {
        let place = format!("-h 127.0.0.1 -p {}", one.port());
        paste(&line.replace("-h SENTINEL -p 26379", &place));
    }
    eventually(LIMIT, "there are three", || !is_found(&url, "few-sentinels"));
}

#[test]
fn a_cluster_whose_slots_are_not_all_served() {
    let cluster = Cluster::bare_with(3, |_, builder| builder.arg("appendonly", "yes")).unwrap();
    let url = cluster.url();
    let of = |id: &str| found(&url).into_iter().filter(|one| one["id"] == id).collect::<Vec<_>>();
    // Each of them is alone.
    let alone = of("no-replicas");
    assert_eq!(alone.len(), 3, "{alone:#?}");
    assert!(lines(&alone[0])[1].contains(" CLUSTER REPLICATE "), "{}", alone[0]);
    // A node that stops with the others.
    set(cluster.node(1), "cluster-require-full-coverage", "yes");
    is_repaired(&url, "full-coverage", "is yes");
    // A migration that was broken off.
    let slot = cluster.slot_of("moved");
    let from = cluster.owner_of(slot);
    let to = (from + 1) % 3;
    cluster.node(from).command(&["SET", "moved", "1"]);
    cluster.begin_migration(slot, to);
    let open = of("open-slot");
    assert_eq!(open.len(), 2, "on both sides: {open:#?}");
    assert!(open[0]["what"].as_str().unwrap().contains(&slot.to_string()), "{}", open[0]);
    paste(&lines(&open[0])[0]);
    eventually(LIMIT, "it is closed", || of("open-slot").is_empty());
    // Slots that nobody has.
    let dropped = cluster.slots_of(2)[7].to_string();
    for node in 0..3 {
        cluster.node(node).ask::<Value>(&["CLUSTER", "DELSLOTS", &dropped]);
    }
    let finding = finding(&url, "slots");
    assert_eq!(finding["level"], "error", "{finding}");
    paste_all(&finding);
    eventually(LIMIT, "all are served", || !is_found(&url, "slots"));
}

#[test]
fn a_node_of_a_cluster_that_gives_a_user_fewer_rights() {
    let cluster = Cluster::bare(3).unwrap();
    for node in 0..3 {
        let words = ["ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all"];
        cluster.node(node).command(&words);
    }
    cluster.node(1).command(&["ACL", "SETUSER", "app", "-zadd", "-cluster|nodes"]);
    let url = cluster.url().replace("://", "://app:secret@");
    is_repaired(&url, "rights", "'app' lacks +zadd");
    is_repaired(&url, "cluster-nodes", "which nodes and replicas");
}
