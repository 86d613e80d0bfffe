//! What a recorder receives.

use std::sync::LazyLock;
use std::time::Duration;

use distlock::{LockError, LockManager, distributed_lock};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use testkit::{Cluster, RedisServer, eventually};

const LIMIT: Duration = Duration::from_secs(20);

/// Holds the lock for as long, and re-enters it `nested` times.
#[distributed_lock("account:{id}", manager = locks, wait = "20s")]
async fn withdraw(
    locks: &LockManager,
    id: u64,
    takes: Duration,
    nested: u32,
) -> Result<(), LockError> {
    for _ in 0..nested {
        balance(locks, id).await?;
    }
    tokio::time::sleep(takes).await;
    Ok(())
}

/// Tries once.
#[distributed_lock("account:{id}", manager = locks, wait = "0s")]
async fn balance(locks: &LockManager, id: u64) -> Result<(), LockError> {
    Ok(())
}

/// Of all tests of this binary: each has labels of its own.
static RECORDER: LazyLock<PrometheusHandle> =
    LazyLock::new(|| PrometheusBuilder::new().install_recorder().expect("there is none yet"));

fn manager(server: &RedisServer) -> LockManager {
    LazyLock::force(&RECORDER);
    LockManager::builder().url(server.url()).ttl(Duration::from_secs(2)).build().unwrap()
}

/// The value of a series, by its name and all its labels.
fn value(series: &str) -> Option<f64> {
    let text = RECORDER.render();
    let found = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found.map(|value| value.parse().expect("a number"))
}

#[track_caller]
fn assert_values(expected: &[(&str, f64)]) {
    for &(series, expected) in expected {
        let value = value(series);
        assert!(
            value.is_some_and(|value| (value - expected).abs() < 1e-9),
            "{series} is {value:?}, not {expected}:\n{}",
            RECORDER.render()
        );
    }
}

#[track_caller]
fn until(series: &str, expected: f64) {
    eventually(LIMIT, &format!("{series} is {expected}"), || {
        value(series).is_some_and(|value| (value - expected).abs() < 1e-9)
    });
}

#[tokio::test]
async fn calls_are_counted_by_the_template_of_their_key() {
    let server = RedisServer::start().unwrap();
    let locks = manager(&server);
    let takes = Duration::from_millis(20);
    withdraw(&locks, 1, takes, 3).await.unwrap();
    let (one, other) =
        tokio::join!(withdraw(&locks, 2, takes, 0), async { withdraw(&locks, 2, takes, 0).await });
    one.and(other).unwrap();
    assert_values(&[
        (r#"distlock_acquisitions_total{key="account:{id}",via="server"}"#, 2.0),
        (r#"distlock_acquisitions_total{key="account:{id}",via="handoff"}"#, 1.0),
        (r#"distlock_reentries_total{key="account:{id}"}"#, 3.0),
        (r#"distlock_wait_seconds_count{key="account:{id}"}"#, 3.0),
        (r#"distlock_hold_seconds_count{key="account:{id}"}"#, 3.0),
        (r#"distlock_holds{key="account:{id}"}"#, 0.0),
        (r#"distlock_waiting{key="account:{id}"}"#, 0.0),
    ]);
    let held = value(r#"distlock_hold_seconds_sum{key="account:{id}"}"#).unwrap();
    assert!((0.06..5.0).contains(&held), "{held}");
    let waited = value(r#"distlock_wait_seconds_sum{key="account:{id}"}"#).unwrap();
    assert!((0.02..5.0).contains(&waited), "{waited}");
    let text = RECORDER.render();
    assert!(!text.contains("account:1") && !text.contains("account:2"), "{text}");

    let held = locks.mutex("account:3").label("audit").acquire().await.unwrap();
    let busy = balance(&locks, 3).await;
    assert!(matches!(busy, Err(LockError::Busy(_))), "{busy:?}");
    assert_values(&[
        (r#"distlock_acquisitions_total{key="audit",via="server"}"#, 1.0),
        (r#"distlock_holds{key="audit"}"#, 1.0),
        (r#"distlock_errors_total{key="account:{id}",kind="busy"}"#, 1.0),
    ]);
    held.release().await.unwrap();
}

#[test]
fn calls_without_a_template_are_counted_by_their_line() {
    let server = RedisServer::start().unwrap();
    let locks = manager(&server);
    let at = line!() + 1;
    let guard = locks.mutex("a").acquire_blocking().unwrap();
    let again = guard.enter(|| locks.mutex("a").reenter(false).acquire_blocking());
    assert!(matches!(again, Err(LockError::Deadlock(_))), "{again:?}");
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| locks.mutex("a").label("waits").acquire_blocking().unwrap());
        until(r#"distlock_waiting{key="waits"}"#, 1.0);
        guard.release_blocking().unwrap();
        waits.join().unwrap().release_blocking().unwrap();
    });
    let place = format!("{}:{at}", file!());
    assert_values(&[
        (&format!(r#"distlock_acquisitions_total{{key="{place}",via="server"}}"#), 1.0),
        (&format!(r#"distlock_holds{{key="{place}"}}"#), 0.0),
        (r#"distlock_waiting{key="waits"}"#, 0.0),
    ]);
    let deadlock =
        format!(r#"distlock_errors_total{{key="{}:{}",kind="deadlock"}}"#, file!(), at + 1);
    assert_values(&[(&deadlock, 1.0)]);
}

#[test]
fn several_keys_are_counted_each_and_a_dropped_wait_is_not() {
    let server = RedisServer::start().unwrap();
    let locks = manager(&server);
    let both = locks.mutex_many(["b", "c"]).label("both").acquire_blocking().unwrap();
    let busy = locks.mutex("b").label("gives up").wait(Duration::from_millis(1));
    busy.acquire_blocking().expect_err("it is held");
    drop(both);
    assert_values(&[
        (r#"distlock_acquisitions_total{key="both",via="server"}"#, 2.0),
        (r#"distlock_hold_seconds_count{key="both"}"#, 2.0),
        (r#"distlock_holds{key="both"}"#, 0.0),
        (r#"distlock_waiting{key="gives up"}"#, 0.0),
        (r#"distlock_errors_total{key="gives up",kind="busy"}"#, 1.0),
    ]);
    assert_eq!(value(r#"distlock_acquisitions_total{key="gives up",via="server"}"#), None);
}

#[test]
fn the_rendered_key_is_a_label_if_the_manager_says_so() {
    let server = RedisServer::start().unwrap();
    LazyLock::force(&RECORDER);
    let locks = LockManager::builder().url(server.url()).metrics_by_key(true).build().unwrap();
    let guard = locks.mutex("tenant:7").acquire_blocking().unwrap();
    guard.enter(|| locks.mutex("tenant:7").acquire_blocking().map(drop)).unwrap();
    guard.release_blocking().unwrap();
    assert_values(&[
        (r#"distlock_acquisitions_total{key="tenant:7",via="server"}"#, 1.0),
        (r#"distlock_reentries_total{key="tenant:7"}"#, 1.0),
    ]);
}

#[test]
fn losses_are_counted_by_reason_and_once() {
    let server = RedisServer::start().unwrap();
    let locks = manager(&server);
    let guard = locks.mutex("d").label("deleted").acquire_blocking().unwrap();
    server.command(&["DEL", "lock:{d}"]);
    until(r#"distlock_losses_total{key="deleted",reason="not_on_server"}"#, 1.0);
    guard.release_blocking().expect_err("it was lost");
    // What is released after its deadline, before the manager has noticed that it has passed.
    let ttl = Duration::from_millis(300);
    let expired = locks.mutex("e").label("expired").renew(false).ttl(ttl);
    let guard = expired.acquire_blocking().unwrap();
    eventually(LIMIT, "it expires", || !guard.hold().is_valid());
    guard.release_blocking().expect_err("it was lost");
    until(r#"distlock_losses_total{key="expired",reason="expired"}"#, 1.0);
    let stopped = locks.mutex("f").label("stopped").acquire_blocking().unwrap();
    locks.shutdown_blocking();
    until(r#"distlock_losses_total{key="stopped",reason="shutdown"}"#, 1.0);
    drop(stopped);
    assert_values(&[
        (r#"distlock_losses_total{key="deleted",reason="not_on_server"}"#, 1.0),
        (r#"distlock_holds{key="stopped"}"#, 0.0),
    ]);
}

#[test]
fn outages_are_counted_by_server() {
    let server = RedisServer::start().unwrap();
    let locks = manager(&server);
    let of = |name: &str| format!(r#"{name}{{server="127.0.0.1:{}"}}"#, server.port());
    until(&of("distlock_disconnected"), 0.0);
    locks.mutex("g").acquire_blocking().unwrap().release_blocking().unwrap();
    assert_values(&[(&of("distlock_reconnects_total"), 0.0)]);
    server.kill();
    until(&of("distlock_disconnected"), 1.0);
    let failed = locks.mutex("g").label("no server").wait(Duration::from_millis(10));
    failed.acquire_blocking().expect_err("it is down");
    drop(failed);
    assert_values(&[(r#"distlock_errors_total{key="no server",kind="unavailable"}"#, 1.0)]);
    server.restart().unwrap();
    until(&of("distlock_disconnected"), 0.0);
    until(&of("distlock_reconnects_total"), 1.0);
    until(&of("distlock_outage_seconds_count"), 1.0);
    // It has no data.
    eventually(LIMIT, "the end of the pause is known", || {
        value(&of("distlock_grants_resume_timestamp_seconds")).is_some()
    });
    server.kill();
    until(&of("distlock_disconnected"), 1.0);
    drop(locks);
    until(&of("distlock_disconnected"), 0.0);
}

#[test]
fn a_cluster_has_a_series_for_each_node() {
    let all = Cluster::start().unwrap();
    LazyLock::force(&RECORDER);
    let locks = LockManager::connect(&all.url()).unwrap();
    locks.mutex("h").acquire_blocking().unwrap().release_blocking().unwrap();
    eventually(LIMIT, "all are connected", || locks.status().is_connected());
    for node in locks.status().nodes {
        until(&format!(r#"distlock_disconnected{{server="{}"}}"#, node.address), 0.0);
    }
}

#[test]
fn metrics_are_described() {
    drop(manager(&RedisServer::start().unwrap()));
    let text = RECORDER.render();
    for name in ["distlock_disconnected", "distlock_reconnects_total"] {
        assert!(text.contains(&format!("# HELP {name} Connections ")), "{text}");
    }
}
