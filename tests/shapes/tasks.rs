use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use distlock::distributed_lock;

use super::support::{Error, support};

// 53
#[distributed_lock("tasks:join")]
async fn joined() -> Result<u32, Error> {
    let (a, b) = tokio::join!(async { 1 }, async { 2 });
    let first = tokio::select! {
        () = tokio::time::sleep(Duration::from_secs(50)) => 0,
        value = async { 3 } => value,
    };
    Ok(a + b + first)
}

#[tokio::test]
async fn join_and_select_work_in_the_body() {
    support();
    assert_eq!(joined().await.expect("free"), 6);
}

// 57
#[distributed_lock("tasks:inner", hold = outer_name)]
#[distributed_lock("tasks:outer")]
fn both() -> Result<String, Error> {
    Ok(outer_name.key().to_owned())
}

#[distributed_lock("tasks:inner")]
#[distributed_lock("tasks:outer")]
async fn both_async() -> Result<String, Error> {
    let innermost = distlock::current().ok_or(Error::Own("no hold"))?;
    Ok(innermost.key().to_owned())
}

#[tokio::test]
async fn of_two_attributes_the_one_nearest_the_function_is_taken_first() {
    support();
    assert_eq!(both().expect("free"), "tasks:inner");
    assert_eq!(both_async().await.expect("free"), "tasks:inner");
}

// 60
#[distributed_lock("tasks:size:1")]
async fn one_deep() -> Result<[u8; 64], Error> {
    let kept = [1; 64];
    tokio::task::yield_now().await;
    Ok(kept)
}

async fn bare() -> Result<[u8; 64], Error> {
    let kept = [1; 64];
    tokio::task::yield_now().await;
    Ok(kept)
}

#[distributed_lock("tasks:size:2")]
async fn two_deep() -> Result<[u8; 64], Error> {
    one_deep().await
}

#[distributed_lock("tasks:size:3")]
async fn three_deep() -> Result<[u8; 64], Error> {
    two_deep().await
}

#[tokio::test]
async fn a_nested_future_grows_by_a_constant() {
    support();
    let sizes = [
        size_of_val(&bare()),
        size_of_val(&one_deep()),
        size_of_val(&two_deep()),
        size_of_val(&three_deep()),
    ];
    println!("{sizes:?}");
    // Beside the body's own future: the key, the site, the place for what is awaited.
    assert!(sizes[1] - sizes[0] <= 112, "{sizes:?}");
    let (second, third) = (sizes[2] - sizes[1], sizes[3] - sizes[2]);
    assert!(third <= second + 16, "{sizes:?}");
    assert!(three_deep().await.is_ok());
}

// 61
#[distributed_lock("tasks:hand", on_error = panic)]
async fn resting(times: u32) -> u32 {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
    times
}

#[test]
fn a_future_is_polled_by_hand_on_one_thread_after_another() {
    support();
    let mut future = Box::pin(resting(3));
    for _ in 0..1_000 {
        let poll;
        (future, poll) = std::thread::spawn(move || {
            let poll = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(distlock::current().is_none());
            (future, poll)
        })
        .join()
        .expect("no panic");
        if let Poll::Ready(times) = poll {
            assert_eq!(times, 3);
            return;
        }
    }
    panic!("the future never came to its end");
}

// 61
#[test]
fn a_future_runs_on_another_runtime() {
    support();
    smol::block_on(async {
        let mut future = pin!(resting(0));
        assert_eq!(future.as_mut().await, 0);
    });
}

#[tokio::test]
#[distributed_lock("tasks:test:outside")]
async fn a_test_attribute_above_makes_the_lock_a_sync_one() -> Result<(), Error> {
    tokio::task::yield_now().await;
    Ok(())
}

#[distributed_lock("tasks:test:inside")]
#[tokio::test]
async fn a_test_attribute_below_leaves_the_lock_an_async_one() -> Result<(), Error> {
    tokio::task::yield_now().await;
    Ok(())
}
