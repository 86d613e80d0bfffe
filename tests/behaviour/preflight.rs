//! Requirements of the server and permissions of the user, which are checked when a connection is
//! made.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use distlock::{LockError, LockManager, LockManagerBuilder, distributed_lock};
use testkit::{Barrier, RedisServer, eventually};

use crate::support::{LASTING, LIMIT, connect, contend, server};

const OUTAGE: Duration = Duration::from_millis(300);

#[track_caller]
fn assert_empty(server: &RedisServer) {
    let redis::Value::BulkString(info) = server.command(&["INFO", "keyspace"]) else {
        panic!("INFO is a text");
    };
    assert_eq!(String::from_utf8(info).unwrap().trim(), "# Keyspace");
}

/// The error of a first call, which leaves nothing in the server.
#[track_caller]
fn refusal(builder: LockManagerBuilder) -> String {
    let locks = builder.outage_timeout(OUTAGE).build().unwrap();
    let error = locks.mutex("key").wait(LIMIT).acquire_blocking().unwrap_err();
    assert!(matches!(error, LockError::Refused(_)), "{error:?}");
    let inspected = locks.inspect_blocking("key").unwrap_err();
    assert!(matches!(inspected, LockError::Refused(_)), "{inspected:?}");
    let reason = |error: &str| error.split_once(": ").unwrap().1.to_owned();
    assert_eq!(reason(&inspected.to_string()), reason(&error.to_string()));
    error.to_string()
}

fn at(server: &RedisServer) -> LockManagerBuilder {
    LockManager::builder().url(server.url())
}

/// As the user `app`, in another database and with a name, which are rights of their own.
fn as_app(server: &RedisServer) -> LockManagerBuilder {
    let url = format!("redis://app:a-secret@127.0.0.1:{}/3", server.port());
    LockManager::builder().url(url).client_name("a-service").prefix("shop*:")
}

fn grant(server: &RedisServer, rules: &[&str]) {
    // Redis 6.2 gives new users all channels, and refuses to add patterns to them.
    let user = ["ACL", "SETUSER", "app", "reset", "resetchannels", "on", ">a-secret"];
    server.command(&[&user[..], rules].concat());
}

/// The rules that the error for a user without any right shows.
fn rules(server: &RedisServer) -> Vec<String> {
    grant(server, &["+hello", "+select"]);
    let error = refusal(as_app(server));
    assert!(!error.contains("a-secret"), "{error}");
    let (_, rules) = error.split_once("ACL SETUSER app ").expect(&error);
    // Whether it has keys and channels shows only to a user with commands.
    let (commands, patterns) = rules.split_once(" (and ").expect(&error);
    let patterns = patterns.strip_suffix(", unless it has them)").expect(&error);
    patterns.split(' ').chain(commands.split(' ')).map(str::to_owned).collect()
}

#[test]
fn the_line_of_each_message_can_be_pasted_whatever_the_user_has() {
    let server = server();
    for (rights, lines) in [
        (&["~*", "&*", "+@all", "-@scripting"][..], 1),
        (&["~*", "&*", "+@all", "-zadd", "-pubsub"], 1),
        (&["~*", "&*"], 1),
        (&["~*", "&*", "+@read", "+@write"], 1),
        (&["~*", "+@all"], 1),
        (&["~app:*", "&app:*", "+@all"], 1),
        (&["&*", "+@all", "-publish"], 1),
        // The second one is for what the first one has brought to light.
        (&["~app:*", "+@read", "+@write"], 2),
        (&[], 2),
    ] {
        grant(&server, rights);
        for _ in 0..lines {
            let error = refusal(as_app(&server));
            let (_, line) = error.split_once("run in the server: ").expect(&error);
            let line = line.split(" (and ").next().unwrap_or_default();
            server.command(&line.split(' ').collect::<Vec<_>>());
        }
        let locks = as_app(&server).build().unwrap();
        let acquired = locks.mutex("key").wait(LIMIT).acquire_blocking();
        acquired.unwrap_or_else(|error| panic!("{rights:?}: {error}")).release_blocking().unwrap();
    }
}

#[test]
fn each_missing_permission_is_named_and_nothing_is_left_behind() {
    let server = server();
    let rules = rules(&server);
    for missing in &rules {
        let others = rules.iter().filter(|&rule| rule != missing);
        grant(&server, &others.map(|rule| &**rule).collect::<Vec<_>>());
        if !OPTIONAL.contains(&&**missing) {
            let error = refusal(as_app(&server));
            assert!(error.contains(&format!("lacks {missing};")), "without {missing}: {error}");
            assert_empty(&server);
        }
    }
}

/// Each says what the other does too, and the greeting comes before the user does.
const OPTIONAL: [&str; 2] = ["+hello", "+info"];

#[test]
fn a_user_without_info_permission_can_acquire() {
    for missing in OPTIONAL {
        let server = server();
        let rules = rules(&server);
        let others = rules.iter().filter(|&rule| rule != missing);
        grant(&server, &others.map(|rule| &**rule).collect::<Vec<_>>());
        let locks = as_app(&server).build().unwrap();
        locks.mutex("key").wait(LIMIT).acquire_blocking().unwrap().release_blocking().unwrap();
    }
}

#[distributed_lock("{outer}", manager = locks)]
fn outside(locks: &LockManager, outer: &str, inner: &str, met: &Barrier) -> Result<(), LockError> {
    met.wait();
    inside(locks, inner)
}

#[distributed_lock("{key}", manager = locks)]
fn inside(locks: &LockManager, key: &str) -> Result<(), LockError> {
    Ok(())
}

#[test]
fn the_rules_of_the_message_are_enough_for_all_that_locks_do() {
    let server = server();
    let rules = rules(&server);
    grant(&server, &rules.iter().map(|rule| &**rule).collect::<Vec<_>>());
    server.command(&["ACL", "LOG", "RESET"]);
    let build = || as_app(&server).ttl(Duration::from_millis(600)).build().unwrap();
    let (one, other) = (build(), build());
    contend(&one, &other);
    // Several keys, a large block of tokens, a deadlock, and a renewal.
    one.mutex_many(["a", "b", "c"])
        .wait(LIMIT)
        .acquire_blocking()
        .unwrap()
        .release_blocking()
        .unwrap();
    let met = Barrier::new(2);
    std::thread::scope(|scope| {
        let (one, other, met) = (&one, &other, &met);
        let first = scope.spawn(move || outside(one, "x", "y", met));
        let second = scope.spawn(move || outside(other, "y", "x", met));
        let results = [first.join().unwrap(), second.join().unwrap()];
        let errors: Vec<_> = results.into_iter().filter_map(Result::err).collect();
        assert!(matches!(errors[..], [LockError::Deadlock(_)]), "{errors:?}");
    });
    let held = one.mutex("renewed").wait(LIMIT).acquire_blocking().unwrap();
    std::thread::sleep(Duration::from_millis(900));
    held.release_blocking().expect("it was renewed");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    drop(one.mutex("hot").wait(LIMIT).acquire_blocking().unwrap());
                    drop(other.mutex("hot").wait(LIMIT).acquire_blocking().unwrap());
                }
            });
        }
    });
    let redis::Value::Array(log) = server.command(&["ACL", "LOG"]) else {
        panic!("a list of entries");
    };
    // Newer servers know a command by which the client names its library; it may do without.
    // Redis 6.2 logs it as CLIENT.
    let optional = |entry: &str| entry.contains("setinfo") || entry.contains("'\"client\"'");
    let denied = log.iter().filter(|entry| !optional(&format!("{entry:?}")));
    assert_eq!(denied.count(), 0, "{log:?}");
}

#[test]
fn all_permissions_except_dangerous_ones_are_enough() {
    let server = server();
    // Redis 6.2 counts all of CLIENT among the dangerous commands.
    grant(&server, &["~*", "&*", "+@all", "-@dangerous", "+client|setname"]);
    let locks = as_app(&server).build().unwrap();
    locks.mutex("key").wait(LIMIT).acquire_blocking().unwrap().release_blocking().unwrap();
}

#[test]
fn a_node_of_a_cluster_is_refused_and_nothing_is_left_in_it() {
    let server = RedisServer::builder().arg("cluster-enabled", "yes").start().unwrap();
    let error = refusal(at(&server));
    assert!(error.contains("Redis Cluster") && error.contains("redis-cluster://"), "{error}");
    assert_empty(&server);
}

#[test]
fn a_writable_replica_grants_nothing_and_nothing_is_left_in_it() {
    let (primary, replica) = (server(), server());
    replica.command(&["CONFIG", "SET", "replica-read-only", "no"]);
    replica.command(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    let locks = at(&replica).outage_timeout(OUTAGE).build().unwrap();
    let error = locks.mutex("key").wait(LIMIT).acquire_blocking().unwrap_err();
    assert!(matches!(error, LockError::Unavailable(_)), "{error:?}");
    assert!(error.to_string().contains("this is a replica"), "{error}");
    assert_empty(&replica);
    assert_empty(&primary);
}

#[test]
fn a_server_or_proxy_without_hello_is_refused_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                // Three commands are sent as one: HELLO and the name and version of the library.
                while stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {
                    let answer = "-ERR unknown command 'HELLO'\r\n-ERR unknown\r\n-ERR unknown\r\n";
                    let _ = stream.write_all(answer.as_bytes());
                }
            });
        }
    });
    let error = refusal(LockManager::builder().url(format!("redis://127.0.0.1:{port}/")));
    assert!(error.contains("RESP3") && error.contains("Redis 6.2"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_whose_clock_was_never_set_is_refused() {
    let server = RedisServer::builder().with_clock().start().unwrap();
    server.clock().jump_back(Duration::from_secs(30 * 365 * 24 * 60 * 60));
    let error = refusal(at(&server));
    assert!(error.contains("clock") && error.contains("2001"), "{error}");
    assert_empty(&server);
}

#[test]
fn connecting_leaves_nothing_but_the_counter_and_the_longest_lease() {
    let server = server();
    connect(&server).mutex("key").acquire_blocking().unwrap().release_blocking().unwrap();
    eventually(LIMIT, "two keys are left", || {
        let keys = redis::from_redis_value::<BTreeSet<String>>(server.command(&["KEYS", "*"]));
        keys.is_ok_and(|keys| keys.iter().eq(&LASTING))
    });
}

#[test]
fn a_password_in_the_path_of_a_socket_is_refused_without_its_text() {
    for url in [
        "unix:///:hunter2@/run/redis.sock",
        "unix:///app:hunter2@/run/redis.sock",
        "redis+unix:///:hunter2@/redis.sock",
    ] {
        let error = LockManager::connect(url).unwrap_err();
        assert!(matches!(error, LockError::Config(_)), "{error:?}");
        let text = format!("{error} {error:?}");
        assert!(!text.contains("hunter2") && text.contains("?pass="), "{text}");
    }
    LockManager::connect("unix:///run/user@host/redis.sock?pass=hunter2").unwrap();
}

/// A build of the whole workspace has the feature.
#[cfg(not(feature = "tls-rustls"))]
#[test]
fn a_url_with_tls_names_the_feature_that_is_missing() {
    let error = LockManager::connect("rediss://127.0.0.1:1/").unwrap_err();
    assert!(matches!(error, LockError::Config(_)), "{error:?}");
    assert!(error.to_string().contains("features = [\"tls-rustls\"]"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn an_idle_connection_is_kept_alive() {
    let server = server();
    let locks = connect(&server);
    locks.mutex("key").acquire_blocking().unwrap().release_blocking().unwrap();
    // The remote port, and the timer that runs: 02 is that of keepalive, once nothing is on its
    // way.
    let remote = format!("0100007F:{:04X}", server.port());
    eventually(LIMIT, "its keepalive timer runs", || {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        lines.into_iter().any(|field| field[2] == remote && field[5].starts_with("02:"))
    });
}
