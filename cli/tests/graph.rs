//! `distlock graph` as it is typed, with a real server.

mod support;

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use distlock::{LockError, LockManager};
use testkit::{Barrier, Cluster, Direction, FaultProxy, RedisServer, eventually};

use crate::support::distlock;

/// The limit of any wait.
const LIMIT: Duration = Duration::from_secs(20);

fn graph(url: &str, words: &[&str]) -> String {
    let output = distlock(url, &[&["graph"], words].concat()).output().unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Holds one lock, and inside it asks for another.
fn nested(locks: &LockManager, outer: &str, inner: &str) -> Result<(), LockError> {
    let guard = locks.mutex(outer).wait(LIMIT).acquire_blocking()?;
    guard.enter(|| locks.mutex(inner).wait(LIMIT).acquire_blocking()).map(drop)
}

fn waiting(locks: &LockManager, key: &str) -> u64 {
    locks.inspect_blocking(key).unwrap().waiting
}

/// One process holds the first key, another one the second and waits for the first, a third one
/// waits for the second.
fn chain(url: &str, look: impl FnOnce()) {
    let [locks, others] = [(); 2].map(|()| LockManager::connect(url).unwrap());
    let guard = locks.mutex("stock").acquire_blocking().unwrap();
    thread::scope(|scope| {
        let middle = scope.spawn(|| nested(&others, "order \"7\"", "stock"));
        eventually(LIMIT, "it holds one and waits inside", || {
            let found = locks.inspect_blocking("order \"7\"").unwrap();
            found.nested_waits.iter().any(|wait| wait.key == "stock")
        });
        let mut last = distlock(url, &["run", "order \"7\"", "--", "true"]).spawn().unwrap();
        eventually(LIMIT, "the last one waits", || waiting(&locks, "order \"7\"") == 1);
        let inspected = distlock(url, &["inspect", "order \"7\""]).output().unwrap();
        let text = String::from_utf8_lossy(&inspected.stdout);
        assert!(text.contains("\n  waits    ") && text.contains(" for stock in "), "{text}");
        look();
        guard.release_blocking().unwrap();
        middle.join().unwrap().unwrap();
        assert!(last.wait().unwrap().success());
    });
}

fn look_at_text(url: &str) {
    let text = graph(url, &[]);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].contains(" holds stock for ") && !lines[0].starts_with(' '), "{text}");
    assert!(lines[1].starts_with("  ") && lines[1].contains(" for stock in "), "{text}");
    assert!(lines[1].contains(", holds order \"7\" for "), "{text}");
    assert!(lines[2].starts_with("    ") && lines[2].contains(" for order \"7\" in "), "{text}");
    assert!(lines[2].ends_with(" in true"), "{text}");
    assert_eq!(graph(url, &["order*"]).lines().count(), 3, "all that is connected");
    assert_eq!(graph(url, &["other*"]), "nobody waits for a lock\n");
}

fn look_at_drawings(url: &str) {
    let dot = graph(url, &["--format", "dot"]);
    assert!(dot.starts_with("digraph locks {\n") && dot.ends_with("}\n"), "{dot}");
    assert!(dot.contains(r#"[label="order \"7\"\n"#), "{dot}");
    assert_eq!(dot.matches(" -> ").count(), 2, "{dot}");
    assert_eq!(dot.matches("\\nholds ").count(), 2, "{dot}");
    check_dot(&dot);
    let mermaid = graph(url, &["--format", "mermaid"]);
    assert!(mermaid.starts_with("flowchart LR\n"), "{mermaid}");
    assert!(mermaid.contains(r#"-->|"order #34;7#34;<br/>"#), "{mermaid}");
    assert_eq!(mermaid.matches(" -->|").count(), 2, "{mermaid}");
    let json: serde_json::Value = serde_json::from_str(&graph(url, &["--json"])).unwrap();
    assert_eq!(json["owners"].as_array().unwrap().len(), 3, "{json}");
    let waits = json["waits"].as_array().unwrap();
    assert!(waits.iter().all(|wait| wait["in_cycle"] == false), "{json}");
    let [inner, outer] = ["stock", "order \"7\""]
        .map(|key| waits.iter().find(|wait| wait["key"] == key).expect("each key is waited for"));
    assert_eq!(inner["waiter"], outer["holder"], "it is one owner: {json}");
}

/// Graphviz reads it, where there is one.
fn check_dot(text: &str) {
    let command =
        Command::new("dot").arg("-Tplain").stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
    let Ok(mut command) = command else { return };
    command.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(command.wait().unwrap().success(), "{text}");
}

#[test]
fn a_chain_is_shown_from_the_holder_that_all_wait_for() {
    let server = RedisServer::start().unwrap();
    assert_eq!(graph(&server.url(), &[]), "nobody waits for a lock\n");
    let free = graph(&server.url(), &["--format", "dot"]);
    check_dot(&free);
    chain(&server.url(), || {
        look_at_text(&server.url());
        look_at_drawings(&server.url());
    });
    assert_eq!(graph(&server.url(), &[]), "nobody waits for a lock\n");
    let output = distlock(&server.url(), &["graph", "[a"]).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
}

#[test]
fn a_chain_over_the_nodes_of_a_cluster_is_one_graph() {
    let cluster = Cluster::bare(2).unwrap();
    chain(&cluster.url(), || {
        look_at_text(&cluster.url());
        look_at_drawings(&cluster.url());
    });
}

#[test]
fn a_deadlock_is_shown_while_it_lasts() {
    let server = RedisServer::start().unwrap();
    let proxy = FaultProxy::start(&server).unwrap();
    let [one, other] = [(); 2].map(|()| LockManager::connect(&proxy.url()).unwrap());
    let met = Barrier::new(2);
    let takes = |locks: &LockManager, outer: &str, inner: &str| {
        let guard = locks.mutex(outer).acquire_blocking()?;
        if met.wait() {
            // The calls hear late of the deadlock, which ends it.
            proxy.delay(Direction::ToClient, Duration::from_millis(1_200));
        }
        guard.enter(|| locks.mutex(inner).wait(LIMIT).acquire_blocking()).map(drop)
    };
    thread::scope(|scope| {
        let calls =
            [scope.spawn(|| takes(&one, "a", "b")), scope.spawn(|| takes(&other, "b", "a"))];
        let (mut dot, mut mermaid) = (String::new(), String::new());
        eventually(LIMIT, "the deadlock is shown", || {
            let text = graph(&server.url(), &[]);
            dot = graph(&server.url(), &["--format", "dot"]);
            mermaid = graph(&server.url(), &["--format", "mermaid"]);
            text.starts_with("deadlock: ")
                && text.lines().count() == 3
                && [&dot, &mermaid].iter().all(|drawing| drawing.contains("red"))
        });
        proxy.heal();
        check_dot(&dot);
        assert_eq!(dot.matches("color=red, ").count(), 2, "{dot}");
        assert!(mermaid.contains("linkStyle 0,1 stroke:red"), "{mermaid}");
        let outcomes = calls.map(|call| call.join().unwrap());
        let deadlocks = outcomes.iter().filter(|one| matches!(one, Err(LockError::Deadlock(_))));
        assert_eq!(deadlocks.count(), 1, "{outcomes:?}");
    });
    assert_eq!(graph(&server.url(), &[]), "nobody waits for a lock\n");
}

#[test]
fn guards_that_are_entered_inside_each_other_have_one_owner() {
    let server = RedisServer::start().unwrap();
    let [locks, others] = [(); 2].map(|()| LockManager::connect(&server.url()).unwrap());
    let guard = locks.mutex("stock").acquire_blocking().unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let acquire = |key: &str| others.mutex(key).wait(LIMIT).acquire_blocking();
            let (outer, inner) = (acquire("order")?, acquire("till")?);
            outer.enter(|| inner.enter(|| acquire("stock"))).map(drop)
        });
        let mut text = String::new();
        eventually(LIMIT, "the holder of both waits", || {
            text = graph(&server.url(), &[]);
            text.contains("holds order for ") && text.contains(", till for ")
        });
        assert_eq!(text.lines().count(), 2, "{text}");
        guard.release_blocking().unwrap();
        waiter.join().unwrap().unwrap();
    });
}

#[test]
fn what_cannot_be_read_is_said_to_be_unknown() {
    /// Makes the waits inside the hold of a key unreadable.
    const SPOIL: &str = "return redis.call('SET', \
         'lock:blocked:' .. string.sub(redis.call('GET', KEYS[1]), 5, 36), 'no hash')";
    let server = RedisServer::start().unwrap();
    let (locks, url) = (LockManager::connect(&server.url()).unwrap(), server.url());
    let guard = locks.mutex_many(["a", "b", "c", "d", "e"]).acquire_blocking().unwrap();
    let spoil = |key: &str| server.command(&["EVAL", SPOIL, "1", &format!("lock:{{{key}}}")]);
    spoil("a");
    let output = distlock(&url, &["inspect", "a"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("\n  waits    unknown: "), "{text}");
    assert_eq!(graph(&url, &[]), "unknown: what the holder of a waits for\n");
    for key in ["b", "c", "d", "e"] {
        spoil(key);
    }
    let unknown = "unknown: what the holders of a, b, c and 2 more wait for\n";
    assert_eq!(graph(&url, &[]), unknown);
    let dot = graph(&url, &["--format", "dot"]);
    check_dot(&dot);
    assert!(dot.contains(&format!("  // {unknown}")), "{dot}");
    let mermaid = graph(&url, &["--format", "mermaid"]);
    assert!(mermaid.ends_with(&format!("\n  %% {unknown}")), "{mermaid}");
    let json: serde_json::Value = serde_json::from_str(&graph(&url, &["--json"])).unwrap();
    assert_eq!(json["unknown"].as_array().map(Vec::len), Some(5), "{json}");
    guard.release_blocking().unwrap();
}
