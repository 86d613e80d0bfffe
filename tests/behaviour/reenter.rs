//! Calls that must not re-enter: `reenter = false`.

use std::time::Duration;

use distlock::error::DeadlockKind;
use distlock::{LockError, LockManager, distributed_lock};

use crate::support::{connect, server, until_free};

#[distributed_lock("once", manager = locks)]
fn inside<R>(locks: &LockManager, body: impl FnOnce() -> R) -> Result<R, LockError> {
    Ok(body())
}

fn assert_refused<T: std::fmt::Debug>(call: Result<T, LockError>, key: &str) {
    let error = call.expect_err("it may not re-enter");
    let LockError::Deadlock(deadlock) = &error else { panic!("{error:?}") };
    assert_eq!((&*deadlock.key, deadlock.waited), (key, Duration::ZERO));
    let DeadlockKind::NotReentrant { holder } = &deadlock.kind else { panic!("{error:?}") };
    assert!(holder.contains("inside"), "{holder}");
    assert!(deadlock.cycle[0].function.contains("reenter.rs"), "{deadlock:?}");
    let text = error.to_string();
    assert!(text.contains("reenter = false") && text.contains(holder), "{text}");
}

#[test]
fn a_request_that_may_not_re_enter_is_a_deadlock_at_once() {
    let server = server();
    let locks = connect(&server);
    let inner = locks.mutex("once").reenter(false);
    inside(&locks, || {
        assert_refused(inner.acquire_blocking(), "once");
        assert_refused(futures::executor::block_on(inner.acquire()), "once");
        assert_refused(inner.try_acquire_blocking(), "once");
        assert_refused(inner.clone().wait(Duration::from_secs(60)).acquire_blocking(), "once");
        let many = locks.mutex_many(["free", "once"]).reenter(false);
        assert_refused(many.acquire_blocking(), "once");
        assert!(locks.inspect_blocking("free").unwrap().holder.is_none());
        locks
            .mutex("free")
            .reenter(false)
            .acquire_blocking()
            .expect("another key")
            .release_blocking()
            .unwrap();
        locks.mutex("once").acquire_blocking().expect("this one may").release_blocking().unwrap();
    })
    .unwrap();
    until_free(&locks, "once");
    inner.acquire_blocking().expect("nothing is around it").release_blocking().unwrap();
}

#[test]
fn a_manager_sets_it_for_its_calls_and_a_call_may_differ() {
    let server = server();
    let locks = LockManager::builder().url(server.url()).reenter(false).build().unwrap();
    inside(&locks, || {
        assert_refused(locks.mutex("once").acquire_blocking(), "once");
        locks
            .mutex("once")
            .reenter(true)
            .acquire_blocking()
            .expect("it says so")
            .release_blocking()
            .unwrap();
        let error = inside(&locks, || ()).expect_err("the attribute takes it from the manager");
        assert!(matches!(error, LockError::Deadlock(_)), "{error:?}");
    })
    .unwrap();
}
