use distlock::distributed_lock;

use super::support::{Error, assert_released, held, locks, support};

#[distributed_lock("tokio:main:above", manager = locks())]
#[tokio::main(flavor = "current_thread")]
async fn main_below() -> Result<Option<String>, Error> {
    tokio::task::yield_now().await;
    Ok(held())
}

#[tokio::main(flavor = "current_thread")]
#[distributed_lock("tokio:main:below", manager = locks())]
async fn main_above() -> Result<Option<String>, Error> {
    tokio::task::yield_now().await;
    Ok(held())
}

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
#[distributed_lock("tokio:main:threads", manager = locks(), hold = hold)]
async fn main_on_threads() -> Result<(Option<String>, String), Error> {
    tokio::task::yield_now().await;
    Ok((held(), hold.key().to_owned()))
}

#[test]
fn the_body_of_main_runs_under_the_lock_in_both_orders() {
    assert_eq!(main_below().expect("free").as_deref(), Some("tokio:main:above"));
    assert_released("tokio:main:above");
    assert_eq!(main_above().expect("free").as_deref(), Some("tokio:main:below"));
    assert_released("tokio:main:below");
    let (inside, hold) = main_on_threads().expect("free");
    assert_eq!(
        (inside.as_deref(), hold.as_str()),
        (Some("tokio:main:threads"), "tokio:main:threads")
    );
    assert_released("tokio:main:threads");
}

#[distributed_lock("tokio:test:above", manager = locks(), on_error = panic)]
#[tokio::test]
async fn a_test_below_runs_under_the_lock() {
    tokio::task::yield_now().await;
    assert_eq!(held().as_deref(), Some("tokio:test:above"));
}

#[tokio::test]
#[distributed_lock("tokio:test:below", manager = locks(), on_error = |error| panic!("{error}"))]
async fn a_test_above_runs_under_the_lock() {
    tokio::task::yield_now().await;
    assert_eq!(held().as_deref(), Some("tokio:test:below"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[distributed_lock("tokio:test:result", manager = locks())]
async fn a_test_that_returns_a_result_needs_no_policy() -> Result<(), Error> {
    tokio::task::yield_now().await;
    assert_eq!(held().as_deref(), Some("tokio:test:result"));
    Ok(())
}

#[tokio::test]
#[should_panic(expected = "on purpose")]
#[distributed_lock("tokio:test:panic", manager = locks(), on_error = panic)]
async fn should_panic_tests_still_have_to_panic() {
    assert!(held().is_none(), "on purpose");
}

#[test]
#[distributed_lock("std:test:below", manager = locks(), on_error = panic)]
fn a_plain_test_above_runs_under_the_lock() {
    assert_eq!(held().as_deref(), Some("std:test:below"));
}

#[distributed_lock("std:test:above", manager = locks())]
#[test]
fn a_plain_test_below_runs_under_the_lock() -> Result<(), Error> {
    assert_eq!(held().as_deref(), Some("std:test:above"));
    Ok(())
}

#[test]
fn a_locked_test_leaves_no_hold() {
    a_test_below_runs_under_the_lock();
    assert_released("tokio:test:above");
    a_test_above_runs_under_the_lock();
    assert_released("tokio:test:below");
    a_plain_test_above_runs_under_the_lock();
    assert_released("std:test:below");
}

#[distributed_lock("tokio:select:{id}")]
async fn selected(id: u32) -> Result<Option<String>, Error> {
    let (left, right) = tokio::join!(async { held() }, async {
        tokio::task::yield_now().await;
        held()
    });
    assert_eq!(left, right);
    tokio::select! {
        biased;
        () = std::future::pending() => Err(Error::Own("never")),
        inside = async { held() } => Ok(inside),
    }
}

#[tokio::test]
async fn the_macros_of_the_runtime_work_in_the_body() {
    support();
    assert_eq!(selected(1).await.expect("free").as_deref(), Some("tokio:select:1"));
    assert_released("tokio:select:1");
}

tokio::task_local! {
    static TENANT: u32;
}

#[distributed_lock("tokio:local:{}", TENANT.get())]
async fn for_tenant() -> Result<Option<String>, Error> {
    tokio::task::yield_now().await;
    Ok(held())
}

#[tokio::test]
async fn a_task_local_can_stand_in_the_key() {
    support();
    let inside = TENANT.scope(7, for_tenant()).await.expect("free");
    assert_eq!(inside.as_deref(), Some("tokio:local:7"));
}
