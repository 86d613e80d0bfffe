use std::future::{Future, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Mutex;

use distlock::distributed_lock;
use futures::FutureExt as _;
use futures::future::{BoxFuture, LocalBoxFuture};

use super::support::{Drops, Error, support};

struct Shop {
    name: String,
    sold: u32,
}

// 56
impl Shop {
    #[distributed_lock("futures:name:{}", self.name)]
    fn opaque<'a>(&'a self, extra: &'a str) -> impl Future<Output = Result<String, Error>> + 'a {
        async move {
            tokio::task::yield_now().await;
            Ok(format!("{}{extra}", self.name))
        }
    }

    #[distributed_lock("futures:sell:{}", self.name)]
    fn pinned<'a>(
        &'a mut self,
        by: &'a u32,
    ) -> Pin<Box<dyn Future<Output = Result<&'a mut u32, Error>> + Send + 'a>> {
        if *by == 0 {
            return Box::pin(ready(Err(Error::Own("zero"))));
        }
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.sold += by;
            Ok(&mut self.sold)
        })
    }

    #[distributed_lock("futures:boxed:{}", self.name)]
    fn boxed(&self) -> BoxFuture<'_, Result<usize, Error>> {
        async move { Ok(self.name.len()) }.boxed()
    }

    #[distributed_lock("futures:local", hold = hold)]
    fn local(&self, tag: Rc<u32>) -> LocalBoxFuture<'_, Result<u64, Error>> {
        async move { Ok(u64::from(*tag + self.sold).min(hold.fence().get())) }.boxed_local()
    }
}

#[distributed_lock("futures:ready:{value}")]
fn at_once(value: u32) -> impl Future<Output = Result<u32, Error>> {
    ready(Ok(value))
}

#[distributed_lock("futures:unpin", on_error = panic)]
fn unpin(value: u32) -> impl Future<Output = u32> + Send + Unpin {
    ready(value)
}

type Adder = Box<dyn Fn(u32) -> u32 + Send>;

// 47
#[distributed_lock("futures:dyn")]
fn boxed_closure(by: u32) -> BoxFuture<'static, Result<Adder, Error>> {
    Box::pin(async move { Ok(Box::new(move |n| n + by) as _) })
}

#[distributed_lock("futures:unit", on_error = |_| ())]
fn unit(count: &mut u32) -> impl Future<Output = ()> {
    *count += 1;
    async {}
}

#[tokio::test]
async fn a_function_that_returns_a_future_locks_when_polled() {
    support();
    let mut shop = Shop { name: "s".to_owned(), sold: 0 };
    assert_eq!(shop.opaque("x").await.expect("free"), "sx");
    *shop.pinned(&2).await.expect("free") += 1;
    assert_eq!(shop.sold, 3);
    assert!(shop.pinned(&0).await.is_err());
    assert_eq!(shop.boxed().await.expect("free"), 1);
    assert_eq!(shop.local(Rc::new(0)).await.expect("free").min(1), 1);
    assert_eq!(at_once(5).await.expect("free"), 5);
    assert_eq!(unpin(6).await, 6);
    assert_eq!(boxed_closure(1).await.expect("free")(6), 7);
}

#[tokio::test]
async fn the_body_of_a_future_runs_when_polled_not_when_created() {
    support();
    let mut count = 0;
    drop(unit(&mut count));
    assert_eq!(count, 0);
    unit(&mut count).await;
    assert_eq!(count, 1);
}

// 58
#[distributed_lock("futures:unpolled")]
async fn unpolled(_ignored: Drops<'_>, borrowed: Drops<'_>, moved: Drops<'_>) -> Result<(), Error> {
    drop(moved);
    assert_eq!(borrowed.0, "borrowed");
    Ok(())
}

#[allow(clippy::unused_async, reason = "the twin of the locked function above")]
async fn unlocked(_ignored: Drops<'_>, borrowed: Drops<'_>, moved: Drops<'_>) -> Result<(), Error> {
    drop(moved);
    assert_eq!(borrowed.0, "borrowed");
    Ok(())
}

#[tokio::test]
async fn arguments_of_a_future_drop_as_in_the_unlocked_function() {
    support();
    let (with, without) = (Mutex::default(), Mutex::default());
    drop(unpolled(Drops("ignored", &with), Drops("borrowed", &with), Drops("moved", &with)));
    drop(unlocked(
        Drops("ignored", &without),
        Drops("borrowed", &without),
        Drops("moved", &without),
    ));
    let polled =
        unpolled(Drops("ignored", &with), Drops("borrowed", &with), Drops("moved", &with)).await;
    assert!(polled.is_ok());
    let polled =
        unlocked(Drops("ignored", &without), Drops("borrowed", &without), Drops("moved", &without))
            .await;
    assert!(polled.is_ok());
    assert_eq!(with.into_inner().expect("whole"), without.into_inner().expect("whole"));
}
