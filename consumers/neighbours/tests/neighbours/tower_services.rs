use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use distlock::{LockError, distributed_lock};
use futures::future::BoxFuture;
use tower::util::{BoxCloneService, BoxService, service_fn};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt as _};

use super::support::{Error, assert_released, held, support};

type Reply = (u32, Option<String>);

#[derive(Clone)]
struct Doubler(&'static str);

// `Self::Future` hides the future from the attribute; the type it stands for, written out, does not.
impl Service<u32> for Doubler {
    type Response = Reply;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    #[distributed_lock("tower:double:{}:{id}", name, name = self.0)]
    fn call(&mut self, id: u32) -> Pin<Box<dyn Future<Output = Result<Reply, Error>> + Send>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            Ok((id * 2, held()))
        })
    }
}
