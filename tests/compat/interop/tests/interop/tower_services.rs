use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use distlock::{LockError, distributed_lock};
use futures::future::BoxFuture;
use tower::util::{BoxCloneService, BoxService};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt as _, service_fn};

use super::support::{Error, assert_released, held, locks, support};

type Reply = (u32, Option<String>);

#[derive(Clone)]
struct Doubler;

// `Self::Future` would be refused; the type behind it is known to be a future.
impl Service<u32> for Doubler {
    type Response = Reply;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    #[distributed_lock("tower:double:{id}", wait = "0s")]
    fn call(&mut self, id: u32) -> Pin<Box<dyn Future<Output = Result<Reply, Error>> + Send>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            Ok((id * 2, held()))
        })
    }
}

/// What a service needs of itself goes into the locked function by value.
#[derive(Clone)]
struct Named(&'static str);

impl Named {
    #[distributed_lock("tower:named:{}:{id}", self.0)]
    async fn answer(self, id: u32) -> Result<Reply, LockError> {
        tokio::task::yield_now().await;
        Ok((id, held()))
    }
}

impl Service<u32> for Named {
    type Response = Reply;
    type Error = LockError;
    type Future = BoxFuture<'static, Result<Reply, LockError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), LockError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, id: u32) -> Self::Future {
        Box::pin(self.clone().answer(id))
    }
}

#[tokio::test]
async fn a_service_holds_the_lock_while_its_future_runs() {
    support();
    let (value, inside) = Doubler.oneshot(2).await.expect("free");
    assert_eq!((value, inside.as_deref()), (4, Some("tower:double:2")));
    assert_released("tower:double:2");
    let (value, inside) = Named("n").oneshot(3).await.expect("free");
    assert_eq!((value, inside.as_deref()), (3, Some("tower:named:n:3")));
    assert_released("tower:named:n:3");
}

#[tokio::test]
async fn a_call_whose_future_is_not_polled_takes_no_lock() {
    support();
    let made = Doubler.call(5);
    assert_released("tower:double:5");
    assert_eq!(made.await.expect("free").0, 10);
}

#[tokio::test]
async fn a_busy_lock_is_the_error_of_the_service() {
    support();
    let guard = locks().mutex("tower:double:6").acquire().await.expect("free");
    let failed = tokio::spawn(Doubler.oneshot(6)).await.expect("no panic");
    assert!(matches!(failed, Err(Error::Lock(LockError::Busy(_)))));
    drop(guard);
}

#[distributed_lock("tower:fn:{id}")]
async fn answer(id: u32) -> Result<Reply, Error> {
    tokio::task::yield_now().await;
    Ok((id + 1, held()))
}

#[distributed_lock("tower:infallible", on_error = panic)]
async fn infallible(id: u32) -> Result<Reply, Infallible> {
    Ok((id, held()))
}

#[tokio::test]
async fn a_locked_function_is_a_service() {
    support();
    let (value, inside) = service_fn(answer).oneshot(1).await.expect("free");
    assert_eq!((value, inside.as_deref()), (2, Some("tower:fn:1")));
    let (_, inside) = service_fn(infallible).oneshot(1).await.expect("free");
    assert_eq!(inside.as_deref(), Some("tower:infallible"));
    let boxed: BoxCloneService<u32, Reply, Error> = BoxCloneService::new(service_fn(answer));
    let (_, inside) = tokio::spawn(boxed.oneshot(8)).await.expect("no panic").expect("free");
    assert_eq!(inside.as_deref(), Some("tower:fn:8"));
    assert_released("tower:fn:8");
}

#[tokio::test]
async fn the_usual_layers_go_around_a_locked_service() {
    support();
    let service = ServiceBuilder::new()
        .concurrency_limit(2)
        .timeout(Duration::from_secs(60))
        .service(Doubler);
    let service: BoxService<u32, Reply, BoxError> = BoxService::new(service);
    let (value, inside) = service.oneshot(7).await.expect("free");
    assert_eq!((value, inside.as_deref()), (14, Some("tower:double:7")));
    assert_released("tower:double:7");
}

#[derive(Clone)]
struct Locked<S>(S);

struct LockLayer;

impl<S> Layer<S> for LockLayer {
    type Service = Locked<S>;

    fn layer(&self, inner: S) -> Locked<S> {
        Locked(inner)
    }
}

#[distributed_lock("tower:layer:{id}")]
async fn under<S>(inner: S, id: u32) -> Result<S::Response, S::Error>
where
    S: Service<u32, Error: From<LockError>>,
{
    inner.oneshot(id).await
}

impl<S> Service<u32> for Locked<S>
where
    S: Service<u32, Error: From<LockError>, Future: Send> + Clone + Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, id: u32) -> Self::Future {
        Box::pin(under(self.0.clone(), id))
    }
}

#[tokio::test]
async fn a_layer_puts_any_service_under_the_lock() {
    support();
    let inner = service_fn(async |id: u32| Ok::<_, Error>((id, held())));
    let (value, inside) = LockLayer.layer(inner).oneshot(4).await.expect("free");
    assert_eq!((value, inside.as_deref()), (4, Some("tower:layer:4")));
    assert_released("tower:layer:4");
}

mod contracts {
    /// Bought now, delivered later: no future in the sense of the language.
    pub(super) struct Future(pub(super) Option<String>);
}

#[distributed_lock("tower:contract", on_error = panic)]
fn contract() -> contracts::Future {
    contracts::Future(held())
}

impl Named {
    // The `self` in here is that of the item inside, so that the future may outlive ours.
    #[expect(clippy::unused_self, reason = "the shape under test")]
    #[distributed_lock("tower:item")]
    fn with_an_item(&self, id: u32) -> BoxFuture<'static, Result<Reply, Error>> {
        struct Inner(u32);
        impl Inner {
            fn answer(&self) -> Reply {
                (self.0, held())
            }
        }
        Box::pin(async move { Ok(Inner(id).answer()) })
    }
}

#[tokio::test]
async fn what_only_looks_like_a_hidden_future_is_locked() {
    support();
    assert_eq!(contract().0.as_deref(), Some("tower:contract"));
    let future = Named("gone").with_an_item(9);
    let (value, inside) = future.await.expect("free");
    assert_eq!((value, inside.as_deref()), (9, Some("tower:item")));
    assert_released("tower:item");
}
