//! A lock that its process keeps for its next call.

use std::thread;
use std::time::{Duration, Instant};

use distlock::{Fence, LockError, LockManager, distributed_lock};
use testkit::{RedisServer, eventually};

use crate::support::{LIMIT, connect, connect_with_ttl, inspect, scripts_run, server, until_free};

#[distributed_lock("kept", manager = locks, linger = "30s", hold = hold)]
fn append(locks: &LockManager) -> Result<Fence, LockError> {
    hold.check()?;
    Ok(hold.fence())
}

#[distributed_lock("kept", manager = locks, linger = "30s", hold = hold)]
async fn append_async(locks: &LockManager) -> Result<Fence, LockError> {
    hold.check()?;
    Ok(hold.fence())
}

/// A server, and two managers that are connected to it.
fn setting() -> (RedisServer, LockManager, LockManager) {
    let server = server();
    let (locks, others) = (connect(&server), connect(&server));
    for locks in [&locks, &others] {
        assert!(inspect(locks, "kept").holder.is_none());
    }
    (server, locks, others)
}

#[test]
fn calls_during_the_linger_send_nothing_and_have_new_tokens() {
    let (server, locks, _) = setting();
    let mut latest = append(&locks).unwrap();
    let before = server.commands_processed();
    for _ in 0..10 {
        for fence in [append(&locks), futures::executor::block_on(append_async(&locks))] {
            let fence = fence.unwrap();
            assert_eq!(fence.get(), latest.get() + 1);
            latest = fence;
        }
    }
    let tried = locks.mutex("kept").linger(LIMIT).try_acquire_blocking().unwrap();
    assert_eq!(tried.expect("it is kept here").fence().get(), latest.get() + 1);
    assert_eq!(server.commands_processed(), before);
    assert!(inspect(&locks, "kept").holder.is_some(), "it is kept");
    until_free(&locks, "kept");
}

#[test]
fn another_process_gets_a_lingering_lock_at_once() {
    // The best of some, as a machine that has other things to do may take its time; each where
    // no other has asked before.
    let waits = (0..5).map(|_| {
        let (server, locks, others) = setting();
        let kept = append(&locks).unwrap();
        let (start, before) = (Instant::now(), scripts_run(&server));
        let guard = others.mutex("kept").wait(LIMIT).acquire_blocking().unwrap();
        let (took, calls) = (start.elapsed(), scripts_run(&server) - before);
        assert!(guard.fence() > kept);
        (calls, took)
    });
    let (calls, best) = waits.min().unwrap();
    assert_eq!(
        calls, 2,
        "a request, which notifies the holder, and a release, which grants: two round trips"
    );
    assert!(best < Duration::from_millis(200), "{best:?}");
}

/// A single attempt fails and leaves no request behind, so the holder does not learn of it.
#[test]
fn a_single_attempt_of_another_process_does_not_end_the_linger() {
    let (server, locks, others) = setting();
    // Another round if the second was over which it is kept at the longest.
    eventually(LIMIT, "it is kept on", || {
        let kept = append(&locks).unwrap();
        assert!(others.mutex("kept").try_acquire_blocking().unwrap().is_none());
        let end = others.mutex("kept").wait(Duration::ZERO).acquire_blocking().unwrap_err();
        let LockError::Busy(busy) = end else { panic!("{end:?}") };
        assert!(busy.holder.is_some());
        let before = server.commands_processed();
        append(&locks).unwrap().get() == kept.get() + 1 && server.commands_processed() == before
    });
    let guard = others.mutex("kept").wait(LIMIT).acquire_blocking().unwrap();
    assert!(locks.mutex("kept").try_acquire_blocking().unwrap().is_none());
    drop(guard);
}

#[test]
fn a_shutdown_releases_a_lingering_hold() {
    let (_server, locks, others) = setting();
    append(&locks).unwrap();
    locks.shutdown_blocking();
    assert!(inspect(&others, "kept").holder.is_none());
    let end = append(&locks).unwrap_err();
    assert!(matches!(end, LockError::Closed(_)), "{end:?}");
}

#[test]
fn a_lingering_hold_ends_with_the_last_handle_of_its_manager() {
    let (_server, locks, others) = setting();
    append(&locks).unwrap();
    drop(locks);
    let start = Instant::now();
    until_free(&others, "kept");
    assert!(start.elapsed() < LIMIT / 2);
}

#[test]
fn a_lingering_hold_survives_the_end_of_a_thread() {
    let (_server, locks, _others) = setting();
    let in_a_thread = || {
        let locks = locks.clone();
        thread::spawn(move || append(&locks).unwrap().get()).join().unwrap()
    };
    eventually(LIMIT, "the next thread goes on under it", || in_a_thread() + 1 == in_a_thread());
}

const SHORT: Duration = Duration::from_millis(150);

#[test]
fn a_lingering_hold_is_renewed() {
    let server = server();
    let locks = connect_with_ttl(&server, SHORT);
    let start = Instant::now();
    // The first token of a hold, and since when.
    let mut hold = (append(&locks).unwrap(), start);
    let mut latest = hold.0;
    let mut longest = Duration::ZERO;
    eventually(LIMIT, "one lingers for three times its ttl", || {
        thread::sleep(SHORT / 3);
        // It checks its hold inside.
        let fence = append(&locks).unwrap();
        assert!(fence > latest);
        if fence.get() != latest.get() + 1 {
            hold = (fence, Instant::now());
        }
        latest = fence;
        longest = longest.max(hold.1.elapsed());
        longest > SHORT * 3
    });
}

#[test]
fn a_loss_of_a_lingering_hold_is_detected() {
    let server = server();
    let (locks, others) = (connect_with_ttl(&server, SHORT), connect(&server));
    let rounds = (0..3).map(|_| {
        append(&locks).unwrap();
        server.command(&["DEL", "lock:{kept}"]);
        let guard = others.mutex("kept").wait(LIMIT).acquire_blocking().unwrap();
        let start = Instant::now();
        // Until then a deleted lock is like any other: its process cannot know.
        eventually(LIMIT, "the loss is noticed", || {
            locks.mutex("kept").try_acquire_blocking().unwrap().is_none()
        });
        let span = start.elapsed();
        let fence = guard.fence();
        guard.release_blocking().unwrap();
        assert!(append(&locks).unwrap() > fence);
        span
    });
    let best = rounds.min().unwrap();
    assert!(best < Duration::from_millis(600), "{best:?}: not before its second was over");
}

/// How far the counter of fencing tokens is ahead of the server's clock, from which it starts again
/// when its data is lost.
fn tokens_ahead(server: &RedisServer) -> Duration {
    let mut connection = server.connection();
    let drawn: Vec<i128> = redis::cmd("HVALS").arg("lock:tokens").query(&mut connection).unwrap();
    let [last] = drawn[..] else { panic!("{drawn:?}") };
    let (seconds, micros): (i128, i128) = redis::cmd("TIME").query(&mut connection).unwrap();
    let ahead = last - (seconds * 1_000_000 + micros);
    Duration::from_micros(u64::try_from(ahead).unwrap_or(0))
}

#[tokio::test]
async fn tokens_never_run_far_ahead_of_the_clock_however_many_locks_linger() {
    let server = server();
    let locks = connect(&server);
    for round in 0..60 {
        let taken = (0..64).map(|number| {
            let lock = locks.mutex(format!("{round}:{number}")).linger(Duration::from_millis(1));
            async move { lock.acquire().await.map(drop) }
        });
        futures::future::try_join_all(taken).await.unwrap();
    }
    // Sixty times 64 blocks of 1,024 tokens are four seconds' worth.
    let ahead = tokens_ahead(&server);
    assert!(ahead < Duration::from_millis(1_200), "{ahead:?}");
}
