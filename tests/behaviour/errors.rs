//! Servers that fail or reject requests: each gives a typed error in time, with advice.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use distlock::{LockError, LockManager};
use testkit::{RedisServer, ReservedPort, eventually};

use crate::support::{LIMIT, connect, server, traces};

/// A wait that is over well before the patience of the tests.
const WAIT: Duration = Duration::from_millis(400);
/// How much longer than its wait a refusal may take.
const BOUND: Duration = Duration::from_secs(3);

/// The error of a request that waits for [`WAIT`]; its text names the key and says `advice`.
#[track_caller]
fn refusal(locks: &LockManager, advice: &str) -> LockError {
    let start = Instant::now();
    let error = locks.mutex("errors").wait(WAIT).acquire_blocking().unwrap_err();
    assert!(start.elapsed() < WAIT + BOUND, "{:?}", start.elapsed());
    let text = error.to_string();
    assert!(text.contains("'errors'") && text.contains(advice), "{text}");
    assert_eq!(error.key(), Some("errors"));
    error
}

#[test]
fn a_server_that_does_not_run_is_unavailable() {
    let port = ReservedPort::new().unwrap();
    let locks = LockManager::connect(&port.url()).unwrap();
    let error = refusal(&locks, "check that the Redis server runs and can be reached");
    assert!(matches!(error, LockError::Unavailable { .. }), "{error:?}");
    let error = locks.inspect_blocking("errors").unwrap_err();
    assert!(matches!(error, LockError::Unavailable { .. }), "{error:?}");
}

#[test]
fn an_unlimited_wait_fails_when_the_server_stays_unreachable() {
    let port = ReservedPort::new().unwrap();
    let url = port.url();
    let locks = LockManager::builder().url(url).outage_timeout(WAIT).build().unwrap();
    let start = Instant::now();
    let error = locks.mutex("errors").acquire_blocking().unwrap_err();
    assert!(matches!(error, LockError::Unavailable { .. }), "{error:?}");
    assert!((WAIT..WAIT + BOUND).contains(&start.elapsed()), "{:?}", start.elapsed());
    let error = locks.mutex("errors").try_acquire_blocking().unwrap_err();
    assert!(matches!(error, LockError::Unavailable { .. }), "{error:?}");
}

#[test]
fn a_host_that_is_not_known_is_unavailable() {
    // A label has at most 63 characters, so no name server is asked.
    let url = format!("redis://{}.test/", "x".repeat(64));
    let error = refusal(&LockManager::connect(&url).unwrap(), "; check the host name");
    assert!(matches!(error, LockError::Unavailable { .. }), "{error:?}");
}

#[test]
fn a_port_of_something_else_than_redis_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let _ = client.read(&mut [0; 4096]);
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let locks = LockManager::connect(&url).unwrap();
    let error = refusal(&locks, "; check that a Redis server listens there");
    assert!(matches!(error, LockError::Unavailable { .. }), "{error:?}");
}

#[test]
fn a_server_that_does_not_reply_is_unavailable() {
    let server = server();
    server.pause();
    let error = refusal(&connect(&server), "check that the Redis server runs");
    assert!(matches!(error, LockError::Unavailable { .. }), "{error:?}");
    server.resume();
}

#[test]
fn a_reply_that_does_not_come_is_ambiguous_and_leaves_nothing() {
    let server = server();
    let locks = connect(&server);
    locks.mutex("errors").acquire_blocking().unwrap().release_blocking().unwrap();
    server.pause();
    let error = refusal(&locks, "try again, or allow a longer wait");
    assert!(matches!(error, LockError::NoReply { .. }), "{error:?}");
    server.resume();
    eventually(LIMIT, "the late grant is given back", || traces(&server).is_empty());
    locks.mutex("errors").wait(LIMIT).acquire_blocking().unwrap().release_blocking().unwrap();
}

#[test]
fn a_wrong_password_is_refused_and_never_shown() {
    let server = server();
    server.command(&["CONFIG", "SET", "requirepass", "the-right-one"]);
    let url = |password: &str| format!("redis://{password}127.0.0.1:{}/", server.port());
    for password in [":a-wrong-one@", "someone:a-wrong-one@", ""] {
        let builder = LockManager::builder().url(url(password));
        let shown = format!("{builder:?}");
        let locks = builder.build().unwrap();
        let error = refusal(&locks, "check user and password in the URL");
        assert!(matches!(error, LockError::Refused { .. }), "{error:?}");
        let shown = format!("{shown} {locks:?} {error:?} {error} {:?}", locks.mutex("errors"));
        assert!(!shown.contains("wrong-one"), "{shown}");
    }
    let locks = LockManager::connect(&url(":the-right-one@")).unwrap();
    let guard = locks.mutex("errors").wait(LIMIT).acquire_blocking().unwrap();
    let shown = format!("{locks:?} {guard:?}");
    assert!(!shown.contains("the-right-one"), "{shown}");
}

#[test]
fn a_wrong_url_is_a_configuration_error_without_its_password() {
    for url in ["http://me:a-secret@host/", "redis://me:a-secret@:x/", "nonsense a-secret", ""] {
        let error = LockManager::connect(url).unwrap_err();
        assert!(matches!(error, LockError::Config { .. }), "{error:?}");
        let text = format!("{error} {error:?}");
        assert!(text.contains("write redis://host:port/"), "{text}");
        assert!(!text.contains("a-secret"), "{text}");
    }
}

#[test]
fn settings_that_make_no_sense_are_configuration_errors() {
    let nothing = LockManager::builder().build().unwrap_err();
    assert!(nothing.to_string().contains("call `url`, `sentinel` or `cluster`"), "{nothing}");
    let ttl = Duration::from_millis(5);
    let short = LockManager::builder().url("memory://").ttl(ttl).build().unwrap_err();
    assert!(short.to_string().contains("set at least 10ms"), "{short}");
    let locks = LockManager::connect("memory://").unwrap();
    let short = locks.mutex("errors").ttl(ttl).acquire_blocking().unwrap_err();
    assert!(matches!(short, LockError::Config { .. }), "{short:?}");
}

/// Lowers the limit below what the server holds: it is full, however it counts its buffers.
fn fill(server: &RedisServer) {
    let mut connection = server.connection();
    redis::cmd("SET").arg("big").arg("x".repeat(4 << 20)).exec(&mut connection).unwrap();
    server.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    server.command(&["CONFIG", "SET", "maxmemory", "1mb"]);
    let full = redis::cmd("SET").arg("more").arg("x").exec(&mut connection);
    assert_eq!(full.expect_err("the server is full").code(), Some("OOM"));
}

#[test]
fn a_full_server_rejects_new_locks_and_accepts_releases() {
    let server = server();
    let locks = connect(&server);
    let held = locks.mutex("older").ttl(Duration::from_millis(600)).acquire_blocking().unwrap();
    fill(&server);
    let error = refusal(&locks, "free memory on the server or raise its maxmemory");
    assert!(matches!(error, LockError::Unavailable { .. }), "{error:?}");
    let newcomer = connect(&server);
    let error = refusal(&newcomer, "free memory on the server or raise its maxmemory");
    assert!(matches!(error, LockError::Unavailable { .. }), "{error:?}");
    thread::sleep(Duration::from_millis(900));
    held.release_blocking().expect("it was renewed");
    eventually(LIMIT, "it is released", || !traces(&server).contains(&"lock:{older}".to_owned()));
    server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    newcomer.mutex("errors").wait(LIMIT).acquire_blocking().unwrap().release_blocking().unwrap();
}

#[test]
fn a_user_without_permissions_is_rejected() {
    let server = server();
    server.command(&[
        "ACL",
        "SETUSER",
        "guest",
        "on",
        ">a-secret",
        "~*",
        "&*",
        "+@all",
        "-@scripting",
    ]);
    let url = format!("redis://guest:a-secret@127.0.0.1:{}/", server.port());
    let locks = LockManager::connect(&url).unwrap();
    let error = refusal(&locks, "run in the server: ACL SETUSER guest +");
    assert!(matches!(error, LockError::Refused { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("a-secret"));
}
