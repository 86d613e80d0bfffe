use distlock::{Fence, Hold, LockError, LockManager, current, distributed_lock};
use futures::future::BoxFuture;

use super::support::{Error, support};

fn seen(hold: &Hold) -> (String, Fence) {
    (hold.key().to_owned(), hold.fence())
}

// 169
#[distributed_lock(["holds:{from}", "holds:{to}"], hold = [payer, payee])]
fn sync(from: u32, to: u32) -> Result<[(String, Fence); 2], Error> {
    Ok([&payer, &payee].map(seen))
}

#[distributed_lock(["holds:{from}", "holds:{to}", "holds:bank"], hold = [payer, _, bank])]
async fn asynchronous(from: u32, to: &str) -> Result<[(String, Fence); 2], Error> {
    tokio::task::yield_now().await;
    Ok([&payer, &bank].map(seen))
}

#[distributed_lock(["holds:{from}", "holds:{to}"], hold = [payer, payee], on_error = panic)]
fn boxed(from: u32, to: u32) -> BoxFuture<'static, [(String, Fence); 2]> {
    Box::pin(async move {
        tokio::task::yield_now().await;
        [&payer, &payee].map(seen)
    })
}

#[distributed_lock(["holds:only:{id}"], hold = [only])]
fn only(id: u32) -> Result<String, Error> {
    Ok(only.key().to_owned())
}

fn keys<const N: usize>(seen: [(String, Fence); N]) -> [String; N] {
    seen.map(|(key, _)| key)
}

#[tokio::test]
async fn each_key_of_a_list_has_a_hold_in_the_order_of_the_list() {
    support();
    for (from, to) in [(1, 2), (2, 1)] {
        let seen = sync(from, to).expect("free");
        assert_ne!(seen[0].1, seen[1].1);
        assert_eq!(keys(seen), [format!("holds:{from}"), format!("holds:{to}")]);
    }
    let seen = asynchronous(9, "7").await.expect("free");
    assert_eq!(keys(seen), ["holds:9", "holds:bank"]);
    assert_eq!(keys(boxed(4, 3).await), ["holds:4", "holds:3"]);
    assert_eq!(only(1).expect("free"), "holds:only:1");
}

#[tokio::test]
async fn equal_keys_of_a_list_have_the_same_hold() {
    support();
    let [first, second] = sync(5, 5).expect("free");
    assert_eq!(first, second);
    let [first, second] = boxed(6, 6).await;
    assert_eq!(first, second);
}

#[distributed_lock("holds:11", hold = outer)]
fn holds_one(inner: (u32, u32)) -> Result<(Fence, [(String, Fence); 2]), Error> {
    Ok((outer.fence(), sync(inner.0, inner.1)?))
}

#[distributed_lock(["holds:13", "holds:14"], hold = [first, second])]
async fn holds_both() -> Result<bool, Error> {
    let [from, to] = sync(14, 13)?;
    Ok(from == seen(&second) && to == seen(&first))
}

// 169
#[tokio::test]
async fn a_multi_key_request_shares_the_hold_of_a_key_that_is_already_held() {
    support();
    for inner in [(11, 12), (12, 11)] {
        let (outer, seen) = holds_one(inner).expect("free");
        let (inside, other): (Vec<_>, Vec<_>) =
            seen.into_iter().partition(|(key, _)| key == "holds:11");
        assert_eq!(inside[0].1, outer);
        assert_ne!(other[0].1, outer);
    }
    assert!(holds_both().await.expect("free"));
    assert!(current().is_none());
}

#[distributed_lock("holds:chain", manager = locks)]
fn chain(locks: &LockManager) -> Result<(), LockError> {
    let refused = inside(locks).expect_err("the caller holds it");
    assert!(matches!(refused, LockError::Deadlock(_)), "{refused}");
    again(locks)
}

#[distributed_lock("holds:chain", manager = locks, reenter = false)]
fn inside(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock("holds:chain", manager = locks, reenter = true)]
fn again(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock("holds:chain:async", reenter = false)]
async fn recursive(levels: u32) -> Result<(), LockError> {
    if levels == 0 { Ok(()) } else { Box::pin(recursive(levels - 1)).await }
}

#[distributed_lock(["holds:chain:a", "holds:chain:b"], reenter = false)]
fn two(levels: u32) -> Result<(), LockError> {
    if levels == 0 { Ok(()) } else { two(levels - 1) }
}

#[tokio::test]
async fn a_call_that_does_not_reenter_is_a_deadlock_at_once() {
    support();
    let locks = LockManager::connect("memory://").expect("no server is needed");
    chain(&locks).expect("free");
    inside(&locks).expect("free");
    recursive(0).await.expect("free");
    assert!(matches!(recursive(1).await, Err(LockError::Deadlock(_))));
    two(0).expect("free");
    assert!(matches!(two(1), Err(LockError::Deadlock(_))));
    let strict = LockManager::builder().url("memory://").reenter(false).build().expect("no server");
    assert!(matches!(nested(&strict), Err(LockError::Deadlock(_))));
    chain(&strict).expect("`again` makes an exception");
}

#[distributed_lock("holds:chain", manager = locks)]
fn nested(locks: &LockManager) -> Result<(), LockError> {
    nested_again(locks)
}

#[distributed_lock("holds:chain", manager = locks)]
fn nested_again(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}
