use std::future::{Future, IntoFuture};
use std::pin::Pin;

use distlock::{LockError, distributed_lock};

struct Request(u32);

impl IntoFuture for Request {
    type Output = Result<u32, LockError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    #[distributed_lock("key:{}", self.0, on_error = |_| unreachable!())]
    fn into_future(self) -> <Self as IntoFuture>::IntoFuture {
        Box::pin(async move { Ok(self.0) })
    }
}

fn main() {
    drop(Request(1).into_future());
}
