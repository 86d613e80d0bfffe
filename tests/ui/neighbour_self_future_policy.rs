use std::future::Future;
use std::pin::Pin;

use distlock::{LockError, distributed_lock};

trait Service {
    type Future;

    fn call(&mut self, id: u32) -> Self::Future;
}

struct Doubler;

impl Service for Doubler {
    type Future = Pin<Box<dyn Future<Output = Result<u32, LockError>> + Send>>;

    #[distributed_lock("key:{id}", on_error = panic)]
    fn call(&mut self, id: u32) -> Self::Future {
        Box::pin(async move { Ok(id * 2) })
    }
}

fn main() {
    drop(Doubler.call(1));
}
