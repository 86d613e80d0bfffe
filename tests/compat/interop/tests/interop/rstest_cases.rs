use std::time::Duration;

use distlock::distributed_lock;
use rstest::{fixture, rstest};

use super::support::{Error, assert_released, held, locks, support};

#[distributed_lock("rstest:case:{id}", manager = locks(), on_error = panic)]
#[rstest]
#[case(1, "rstest:case:1")]
#[case::named(2, "rstest:case:2")]
fn a_case_above_may_stand_in_the_key(#[case] id: u32, #[case] key: &str) {
    assert_eq!(held().as_deref(), Some(key));
    assert_eq!(id.to_string(), key[12..]);
}

#[rstest]
#[case(1)]
#[case(2)]
#[distributed_lock("rstest:below", manager = locks(), on_error = panic)]
fn below_the_key_is_the_same_for_all_cases(#[case] id: u32) {
    assert!(id > 0);
    assert_eq!(held().as_deref(), Some("rstest:below"));
}

#[distributed_lock("rstest:async:{id}", manager = locks())]
#[rstest]
#[case(3)]
#[tokio::test]
async fn an_async_case_above(#[case] id: u32) -> Result<(), Error> {
    tokio::task::yield_now().await;
    assert_eq!(held(), Some(format!("rstest:async:{id}")));
    Ok(())
}

#[rstest]
#[case(3)]
#[tokio::test]
#[distributed_lock("rstest:async:below", manager = locks())]
async fn an_async_case_below(#[case] id: u32) -> Result<(), Error> {
    tokio::task::yield_now().await;
    assert_eq!((id, held().as_deref()), (3, Some("rstest:async:below")));
    Ok(())
}

#[distributed_lock("rstest:values:{left}:{right}", manager = locks(), on_error = panic)]
#[rstest]
fn values_may_stand_in_the_key(#[values(1, 2)] left: u32, #[values("a", "b")] right: &str) {
    assert_eq!(held(), Some(format!("rstest:values:{left}:{right}")));
}

#[fixture]
#[distributed_lock("rstest:fixture:{start}", manager = locks(), on_error = panic)]
fn counter(#[default(7)] start: u32) -> (u32, Option<String>) {
    (start, held())
}

#[distributed_lock("rstest:fixture:above", manager = locks(), on_error = panic)]
#[fixture]
fn above() -> Option<String> {
    held()
}

#[fixture]
#[once]
#[distributed_lock("rstest:fixture:once", manager = locks(), on_error = panic)]
fn once() -> Option<String> {
    held()
}

#[fixture]
#[distributed_lock("rstest:fixture:async", manager = locks(), on_error = panic)]
async fn later() -> Option<String> {
    tokio::task::yield_now().await;
    held()
}

#[rstest]
fn fixtures_are_made_under_their_own_lock(
    counter: (u32, Option<String>),
    #[from(counter)]
    #[with(8)]
    other: (u32, Option<String>),
    above: Option<String>,
    once: &Option<String>,
) {
    assert_eq!((counter.0, counter.1.as_deref()), (7, Some("rstest:fixture:7")));
    assert_eq!((other.0, other.1.as_deref()), (8, Some("rstest:fixture:8")));
    assert_eq!(above.as_deref(), Some("rstest:fixture:above"));
    assert_eq!(once.as_deref(), Some("rstest:fixture:once"));
    assert_released("rstest:fixture:7");
    assert_released("rstest:fixture:once");
}

#[distributed_lock("rstest:future", on_error = panic)]
#[rstest]
#[tokio::test]
async fn a_fixture_that_is_a_future_is_awaited_in_the_body(
    ready: (),
    #[future] later: Option<String>,
    #[future(awt)]
    #[from(later)]
    awaited: Option<String>,
) {
    assert_eq!(later.await.as_deref(), Some("rstest:fixture:async"));
    assert_eq!(awaited.as_deref(), Some("rstest:fixture:async"));
    assert_eq!((ready, held().as_deref()), ((), Some("rstest:future")));
}

#[fixture]
fn ready() {
    support();
}

// The fixture runs in the test that rstest writes, before the body: the global manager is made in
// time.
#[distributed_lock("rstest:fixture:before", on_error = panic)]
#[rstest]
fn a_fixture_runs_before_the_lock_of_the_attribute_above(ready: ()) {
    assert_eq!((ready, held().as_deref()), ((), Some("rstest:fixture:before")));
}

#[distributed_lock("rstest:timeout:{id}", manager = locks(), on_error = panic)]
#[rstest]
#[case(1)]
#[timeout(Duration::from_secs(60))]
fn a_test_with_a_timeout_holds_the_lock_on_its_thread(#[case] id: u32) {
    assert_eq!(held(), Some(format!("rstest:timeout:{id}")));
}

#[distributed_lock("rstest:timeout:async", manager = locks(), on_error = panic)]
#[rstest]
#[timeout(Duration::from_secs(60))]
#[tokio::test]
async fn an_async_test_with_a_timeout_holds_the_lock() {
    tokio::task::yield_now().await;
    assert_eq!(held().as_deref(), Some("rstest:timeout:async"));
}

// rstest runs the body on a thread of its own, and a thread does not inherit a hold.
#[rstest]
#[timeout(Duration::from_secs(60))]
#[distributed_lock("rstest:timeout:below", manager = locks(), on_error = panic)]
fn below_a_timeout_the_body_is_outside_the_hold() {
    assert_eq!(held(), None);
    let asked = locks().mutex("rstest:timeout:below").try_acquire_blocking();
    assert!(asked.expect("the store answers").is_none(), "the test's own thread holds it");
}
