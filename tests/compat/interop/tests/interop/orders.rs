//! A test, a span and a lock on one function, in all six orders.

use distlock::distributed_lock;

use super::journal::Journal;
use super::support::{assert_released, held, locks, support};

async fn body(key: &str) {
    tokio::task::yield_now().await;
    tracing::info!("inside");
    assert_eq!(held().as_deref(), Some(key));
}

#[tokio::test]
#[tracing::instrument]
#[distributed_lock("orders:tsl", manager = locks(), on_error = panic)]
async fn test_span_lock() {
    body("orders:tsl").await;
}

#[tokio::test]
#[distributed_lock("orders:tls", manager = locks(), on_error = panic)]
#[tracing::instrument]
async fn test_lock_span() {
    body("orders:tls").await;
}

#[tracing::instrument]
#[tokio::test]
#[distributed_lock("orders:stl", manager = locks(), on_error = panic)]
async fn span_test_lock() {
    body("orders:stl").await;
}

#[tracing::instrument]
#[distributed_lock("orders:slt", manager = locks(), on_error = panic)]
#[tokio::test]
async fn span_lock_test() {
    body("orders:slt").await;
}

#[distributed_lock("orders:lts", manager = locks(), on_error = panic)]
#[tokio::test]
#[tracing::instrument]
async fn lock_test_span() {
    body("orders:lts").await;
}

#[distributed_lock("orders:lst", manager = locks(), on_error = panic)]
#[tracing::instrument]
#[tokio::test]
async fn lock_span_test() {
    body("orders:lst").await;
}

/// The function's name, the lock when its span is made, its key, itself.
type Case = (&'static str, &'static str, &'static str, fn());

#[test]
fn all_six_orders_run_in_their_span_under_the_lock() {
    support();
    let tests: [Case; 6] = [
        ("test_span_lock", "held orders:tsl", "orders:tsl", test_span_lock),
        ("test_lock_span", "free", "orders:tls", test_lock_span),
        ("span_test_lock", "held orders:stl", "orders:stl", span_test_lock),
        ("span_lock_test", "held orders:slt", "orders:slt", span_lock_test),
        ("lock_test_span", "free", "orders:lts", lock_test_span),
        ("lock_span_test", "free", "orders:lst", lock_span_test),
    ];
    for (name, span, key, test) in tests {
        let journal = Journal::default();
        tracing::subscriber::with_default(journal.subscriber(), test);
        let expected =
            [format!("span {name} | {span}"), format!("event inside in {name} | held {key}")];
        assert_eq!(journal.entries(), expected);
        assert_released(key);
    }
}
