use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::sync::mpsc;

use distlock::distributed_lock;

use super::support::{Error, support};

// 49
#[distributed_lock("sending:generic")]
async fn generic<T: Send>(value: T) -> Result<T, Error> {
    tokio::task::yield_now().await;
    Ok(value)
}

#[distributed_lock("sending:dyn")]
async fn dynamic(f: Box<dyn Fn(u32) -> u32 + Send>) -> Result<u32, Error> {
    tokio::task::yield_now().await;
    Ok(f(1))
}

#[distributed_lock("sending:cell")]
async fn cell(value: Cell<u32>) -> Result<u32, Error> {
    tokio::task::yield_now().await;
    value.set(value.get() + 1);
    Ok(value.get())
}

#[distributed_lock("sending:receiver")]
async fn receiver(inbox: mpsc::Receiver<u32>) -> Result<u32, Error> {
    tokio::task::yield_now().await;
    inbox.recv().map_err(|_| Error::Own("closed"))
}

#[distributed_lock("sending:once")]
async fn once(f: impl FnOnce() -> u32 + Send) -> Result<u32, Error> {
    tokio::task::yield_now().await;
    Ok(f())
}

#[distributed_lock("sending:mut:{}", values.len())]
async fn unique(values: &mut Vec<Cell<u32>>) -> Result<(), Error> {
    tokio::task::yield_now().await;
    values.push(Cell::new(1));
    Ok(())
}

fn assert_send<F: Future + Send>(future: F) -> F {
    future
}

#[tokio::test]
async fn a_future_stays_send_where_its_arguments_are() {
    support();
    let (outbox, inbox) = mpsc::channel();
    outbox.send(3).expect("the receiver lives");
    assert_eq!(assert_send(generic(1)).await.expect("free"), 1);
    assert_eq!(assert_send(dynamic(Box::new(|n| n + 1))).await.expect("free"), 2);
    assert_eq!(assert_send(cell(Cell::new(1))).await.expect("free"), 2);
    assert_eq!(assert_send(receiver(inbox)).await.expect("free"), 3);
    assert_eq!(assert_send(once(|| 4)).await.expect("free"), 4);
    let mut values = Vec::new();
    assert_send(unique(&mut values)).await.expect("free");
    assert_eq!(values.len(), 1);
}

// 50
#[distributed_lock("sending:rc")]
async fn local(counter: Rc<Cell<u32>>) -> Result<u32, Error> {
    tokio::task::yield_now().await;
    counter.set(counter.get() + 1);
    Ok(counter.get())
}

#[tokio::test]
async fn a_local_future_runs_on_a_local_executor() {
    support();
    let tasks = tokio::task::LocalSet::new();
    let task = tasks.spawn_local(local(Rc::default()));
    tasks.await;
    assert_eq!(task.await.expect("no panic").expect("free"), 1);
}

// 51
#[distributed_lock("sending:async_fn")]
async fn asked(f: impl AsyncFnOnce(u32) -> u32) -> Result<u32, Error> {
    Ok(f(1).await)
}

#[distributed_lock("sending:future")]
async fn awaited(future: impl Future<Output = u32>) -> Result<u32, Error> {
    Ok(future.await)
}

#[tokio::test]
async fn futures_and_async_closures_are_arguments() {
    support();
    assert_eq!(asked(async |n| n + 1).await.expect("free"), 2);
    assert_eq!(awaited(async { 3 }).await.expect("free"), 3);
}

#[distributed_lock("sending:local value")]
async fn local_value() -> Result<Rc<u32>, Error> {
    tokio::task::yield_now().await;
    Ok(Rc::new(7))
}

#[tokio::test]
async fn a_value_that_is_not_send_leaves_the_future_send() {
    fn sent<F: Future + Send>(future: F) -> F {
        future
    }
    support();
    assert_eq!(*sent(local_value()).await.unwrap(), 7);
}
