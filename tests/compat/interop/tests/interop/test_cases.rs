use distlock::distributed_lock;
use serial_test::{parallel, serial};
use test_case::test_case;

use super::support::{Error, held, locks};

#[distributed_lock("case:above:{id}", manager = locks(), on_error = panic)]
#[test_case(1, 2; "one")]
#[test_case(2, 3; "two")]
fn cases_below(id: u32, next: u32) {
    assert_eq!(held(), Some(format!("case:above:{id}")));
    assert_eq!(id + 1, next);
}

// The attributes below stand on the functions that `test_case` writes, which have no arguments.
#[test_case(1, 2; "one")]
#[test_case(2, 3; "two")]
#[distributed_lock("case:below", manager = locks(), on_error = panic)]
fn below_the_key_is_the_same_for_all_cases(id: u32, next: u32) {
    assert_eq!(held().as_deref(), Some("case:below"));
    assert_eq!(id + 1, next);
}

#[distributed_lock("case:yields:{id}", manager = locks(), hold = hold, on_error = panic)]
#[test_case(3 => "case:yields:3"; "yields")]
fn the_value_of_a_case_is_compared(id: u32) -> String {
    hold.key().to_owned()
}

#[distributed_lock("case:async:{id}", manager = locks())]
#[test_case(4 => matches Ok(Some(_)); "matches")]
#[tokio::test]
async fn an_async_case(id: u32) -> Result<Option<String>, Error> {
    tokio::task::yield_now().await;
    assert_eq!(held(), Some(format!("case:async:{id}")));
    Ok(held())
}

#[test_case(5 => matches Ok(Some(_)); "matches")]
#[tokio::test]
#[distributed_lock("case:async:below", manager = locks(), on_error = panic)]
async fn an_async_case_above(id: u32) -> Result<Option<String>, Error> {
    tokio::task::yield_now().await;
    assert_eq!((id, held().as_deref()), (5, Some("case:async:below")));
    Ok(held())
}

#[distributed_lock("case:serial", manager = locks(), on_error = panic)]
#[test]
#[serial]
fn a_serial_test_below() {
    assert_eq!(held().as_deref(), Some("case:serial"));
}

// Another key: with one and the same, each of these two tests could wait for what the other one
// has.
#[test]
#[serial]
#[distributed_lock("case:serial:above", manager = locks(), on_error = panic)]
fn a_serial_test_above() {
    assert_eq!(held().as_deref(), Some("case:serial:above"));
}

#[serial(other)]
#[distributed_lock("case:serial:async", manager = locks())]
#[tokio::test]
async fn an_async_serial_test() -> Result<(), Error> {
    tokio::task::yield_now().await;
    assert_eq!(held().as_deref(), Some("case:serial:async"));
    Ok(())
}

#[tokio::test]
#[distributed_lock("case:parallel", manager = locks(), on_error = panic)]
#[parallel]
async fn a_parallel_test() {
    tokio::task::yield_now().await;
    assert_eq!(held().as_deref(), Some("case:parallel"));
}
