use std::sync::{Arc, LazyLock, OnceLock};

use distlock::{LockError, LockManager, distributed_lock};
use tokio::sync::RwLock;

use super::support::Error;

type Given<'a> = Result<&'a LockManager, LockError>;

// 167
#[distributed_lock("managers:question", manager = locks?)]
fn by_question_mark(locks: Given<'_>) -> Result<(), Error> {
    Ok(())
}

#[distributed_lock("managers:if", manager = if near { one } else { other })]
async fn by_if(near: bool, one: &LockManager, other: &LockManager) -> Result<(), Error> {
    tokio::task::yield_now().await;
    Ok(())
}

#[distributed_lock("managers:match", manager = match near { 0 => one, _ => other })]
fn by_match(near: u8, one: &Arc<LockManager>, other: &Arc<LockManager>) -> Result<(), Error> {
    Ok(())
}

#[distributed_lock("managers:block", manager = { locks })]
fn by_block(locks: LockManager) -> Result<(), Error> {
    Ok(())
}

static LAZY: LazyLock<LockManager> = LazyLock::new(manager);
static CELL: OnceLock<LockManager> = OnceLock::new();

#[distributed_lock("managers:lazy", manager = LAZY)]
fn by_lazy_static() -> Result<(), Error> {
    Ok(())
}

#[distributed_lock("managers:cell", manager = CELL.get_or_init(manager))]
fn by_cell() -> Result<(), Error> {
    Ok(())
}

struct Service {
    locks: LockManager,
    boxed: Box<LockManager>,
}

impl Service {
    #[distributed_lock("managers:field", manager = self.locks)]
    fn by_field(&mut self) -> Result<(), Error> {
        self.locks = (*self.boxed).clone();
        Ok(())
    }

    #[distributed_lock("managers:boxed", manager = &&self.boxed)]
    fn by_box(self) -> Result<(), Error> {
        Ok(())
    }
}

fn manager() -> LockManager {
    LockManager::connect("memory://").expect("the in-process store needs no server")
}

#[tokio::test]
async fn a_manager_is_taken_from_any_expression() {
    let (one, other) = (manager(), manager());
    by_question_mark(Ok(&one)).expect("free");
    let no_manager = by_question_mark(Err(LockManager::connect("nowhere").expect_err("no URL")));
    assert!(matches!(no_manager, Err(Error::Lock(LockError::Config(_)))));
    by_if(true, &one, &other).await.expect("free");
    by_match(1, &Arc::new(one.clone()), &Arc::new(other.clone())).expect("free");
    by_block(one.clone()).expect("free");
    by_lazy_static().expect("free");
    by_cell().expect("free");
    let mut service = Service { locks: one, boxed: Box::new(other) };
    service.by_field().expect("free");
    service.by_box().expect("free");
}

// 168
#[distributed_lock("managers:{id}", manager = locks.read().await)]
async fn by_guard(id: u32, locks: &RwLock<LockManager>) -> Result<(), Error> {
    // The guard is gone.
    *locks.write().await = manager();
    Ok(())
}

#[distributed_lock("managers:{id}", manager = *locks.read().await, ttl = longest(id).await)]
async fn by_place(id: u32, locks: &RwLock<LockManager>) -> Result<(), Error> {
    *locks.write().await = manager();
    Ok(())
}

async fn longest(seconds: u32) -> std::time::Duration {
    tokio::task::yield_now().await;
    std::time::Duration::from_secs(u64::from(seconds))
}

fn send<F: Future + Send>(future: F) -> F {
    future
}

#[tokio::test]
async fn an_await_in_an_option_leaves_the_future_send() {
    let locks = RwLock::new(manager());
    send(by_guard(1, &locks)).await.expect("free");
    send(by_place(2, &locks)).await.expect("free");
}
