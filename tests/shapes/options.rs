use std::time::Duration;

use distlock::{LockError, LockManager, Replicas, distributed_lock};

use super::support::{Error, support};

#[distributed_lock(
    "options:literal",
    ttl = "30s",
    wait = "0s",
    max_hold = "1m 30s",
    min_hold = "10ms",
    replicas = 1,
    confirm = "5s",
    renew = false,
    release = confirmed,
    on_lost = finish
)]
fn literal() -> Result<(), Error> {
    Ok(())
}

#[distributed_lock("options:in order", fairness = strict)]
fn in_order() -> Result<(), Error> {
    Ok(())
}

const TTL: Duration = Duration::from_secs(20);

#[distributed_lock(
    "options:expr:{millis}",
    ttl = TTL,
    wait = Duration::from_millis(millis),
    max_hold = TTL * 3,
    linger = TTL / 4,
    replicas = "all",
    renew = true
)]
fn computed(millis: u64) -> Result<(), Error> {
    Ok(())
}

#[distributed_lock(
    "options:expr:{millis}",
    ttl = TTL,
    wait = Duration::from_millis(millis),
    max_hold = TTL * 3,
    min_hold = TTL / 1000,
    replicas = Replicas::All,
    confirm = TTL
)]
async fn computed_async(millis: u64) -> Result<(), Error> {
    tokio::task::yield_now().await;
    Ok(())
}

#[tokio::test]
async fn durations_are_literals_or_expressions() {
    support();
    assert!(
        in_order().is_ok()
            && literal().is_ok()
            && computed(5).is_ok()
            && computed_async(5).await.is_ok()
    );
}

fn fallback(_: LockError) -> u32 {
    0
}

fn to(value: u32) -> impl FnOnce(LockError) -> u32 {
    move |_| value
}

#[distributed_lock("options:path", on_error = fallback)]
fn by_path(value: u32) -> u32 {
    value
}

#[distributed_lock("options:call", on_error = to(value))]
async fn by_call(value: u32) -> u32 {
    value
}

#[distributed_lock("options:typed", on_error = |err: LockError| -> String { err.to_string() })]
fn by_typed_closure() -> String {
    "body".to_owned()
}

#[tokio::test]
async fn a_failure_goes_to_a_function_or_a_closure() {
    support();
    assert_eq!((by_path(1), by_call(2).await, by_typed_closure().as_str()), (1, 2, "body"));
}

#[distributed_lock("options:skip", if_busy = skip, on_error = panic)]
fn skip_unit(count: &mut u32) {
    *count += 1;
}

#[distributed_lock("options:skip", if_busy = skip, wait = "10ms")]
fn skip_result() -> Result<(), Error> {
    Ok(())
}

#[distributed_lock("options:skip", if_busy = skip, on_error = |_| None)]
async fn skip_option() -> Option<u32> {
    Some(1)
}

#[tokio::test]
async fn skipping_combines_with_every_policy() {
    support();
    let mut count = 0;
    skip_unit(&mut count);
    assert_eq!((count, skip_result().is_ok(), skip_option().await), (1, true, Some(1)));
}

struct Service {
    locks: LockManager,
}

impl Service {
    #[distributed_lock("options:manager", manager = self.locks, hold = lock)]
    fn by_value(&mut self) -> Result<&mut LockManager, Error> {
        assert!(lock.is_valid());
        Ok(&mut self.locks)
    }

    #[distributed_lock("options:manager", manager = &self.locks)]
    async fn by_reference(&self) -> Result<(), Error> {
        tokio::task::yield_now().await;
        Ok(())
    }
}

#[tokio::test]
async fn a_manager_can_be_borrowed() {
    support();
    let mut service = Service { locks: LockManager::connect("memory://").expect("no server") };
    assert!(service.by_value().is_ok());
    assert!(service.by_reference().await.is_ok());
}
