//! Tests of code that takes locks, without a server and without sleeping:
//! `cargo test --features test-util --example testing`
//!
//! Each test has a server of its own, in memory. In your crate, enable the feature for tests only:
//! `distlock = { version = "0.1", features = ["test-util"] }` under `[dev-dependencies]`.

use std::future::Future;

use distlock::{LockError, LockManager, distributed_lock};

/// What is tested. It uses the global manager, and its `wait` is that of the manager.
#[distributed_lock("stock:{product}")]
async fn sell(product: u32, payment: impl Future<Output = ()>) -> Result<&'static str, LockError> {
    payment.await;
    Ok("sold")
}

fn status(outcome: &Result<&str, LockError>) -> u16 {
    match outcome {
        Ok(_) => 200,
        Err(LockError::Busy(_)) => 409,
        Err(LockError::Unavailable(_) | LockError::NoReply(_) | LockError::DataLoss(_)) => 503,
        Err(_) => 500,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), LockError> {
    distlock::init(LockManager::connect("memory://")?)?;
    let outcome = sell(7, async {}).await;
    println!("{} {}", status(&outcome), outcome?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::time::Duration;

    use distlock::testing::{self, MemoryServer};
    use distlock::{LockError, LockManager, with_manager_async};
    use tokio::sync::oneshot;

    use super::{sell, status};

    /// A manager whose calls try once, and which notices a loss after 10 ms: it renews every third
    /// of the ttl.
    fn manager(server: &MemoryServer) -> LockManager {
        let manager = LockManager::builder().url(server.url());
        manager.wait(Duration::ZERO).ttl(Duration::from_millis(30)).build().unwrap()
    }

    #[tokio::test]
    async fn a_product_is_sold() {
        let locks = manager(&MemoryServer::named("sold"));
        assert_eq!(with_manager_async(&locks, sell(7, ready(()))).await.unwrap(), "sold");
    }

    #[tokio::test]
    async fn a_product_that_is_being_sold_is_busy() {
        let locks = manager(&MemoryServer::named("busy"));
        let guard = locks.mutex("stock:7").acquire().await.unwrap();
        let refused = with_manager_async(&locks, sell(7, ready(()))).await;
        assert_eq!(status(&refused), 409);
        let Err(LockError::Busy(busy)) = refused else { panic!("{refused:?}") };
        assert_eq!(busy.holder.map(|holder| holder.fence), Some(guard.fence()));
        with_manager_async(&locks, sell(8, ready(()))).await.expect("another product is free");
    }

    #[tokio::test]
    async fn two_clients_buy_one_after_the_other() {
        let server = MemoryServer::named("turns");
        let locks = LockManager::connect(&server.url()).unwrap();
        let (paid, payment) = oneshot::channel::<()>();
        let payment = async { payment.await.unwrap() };
        let first = tokio::spawn(with_manager_async(&locks, sell(7, payment)));
        let second = tokio::spawn(with_manager_async(&locks, sell(7, ready(()))));
        // A condition, not a pause: the second client is in the queue.
        while locks.inspect("stock:7").await.unwrap().waiting == 0 {
            tokio::task::yield_now().await;
        }
        assert!(!first.is_finished() && !second.is_finished());
        paid.send(()).unwrap();
        assert_eq!(first.await.unwrap().unwrap(), "sold");
        assert_eq!(second.await.unwrap().unwrap(), "sold");
    }

    #[tokio::test]
    async fn a_sale_whose_lock_is_lost_is_cancelled() {
        let server = MemoryServer::named("lost");
        let locks = manager(&server);
        // The payment would never end: the loss ends the sale.
        let lose_and_wait = async {
            server.lose("stock:7");
            pending::<()>().await;
        };
        let outcome = with_manager_async(&locks, sell(7, lose_and_wait)).await;
        assert!(matches!(outcome, Err(LockError::Lost(_))));
        assert_eq!(status(&outcome), 500);
    }

    #[tokio::test]
    async fn nothing_is_sold_without_a_server() {
        let server = MemoryServer::named("down");
        let locks = manager(&server);
        server.go_down();
        let refused = with_manager_async(&locks, sell(7, ready(()))).await;
        assert!(matches!(refused, Err(LockError::Unavailable(_))));
        assert_eq!(status(&refused), 503);
    }

    /// Errors that are hard to cause can be created.
    #[test]
    fn each_error_has_a_status() {
        let errors = [
            (testing::busy("stock:7"), 409),
            (testing::data_loss("stock:7", Some(Duration::from_secs(3))), 503),
            (testing::no_reply("stock:7", Duration::from_secs(5)), 503),
            (testing::refused("stock:7", "NOPERM"), 500),
            (testing::closed("stock:7"), 500),
        ];
        for (error, expected) in errors {
            assert_eq!(status(&Err(error.clone())), expected, "{error}");
        }
    }
}
