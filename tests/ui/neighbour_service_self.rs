use std::future::Future;
use std::pin::Pin;

use distlock::{LockError, distributed_lock};

trait Service {
    type Future;

    fn call(&mut self, id: u32) -> Self::Future;
}

struct Doubler(u32);

impl Service for Doubler {
    type Future = Pin<Box<dyn Future<Output = Result<u32, LockError>> + Send>>;

    #[distributed_lock("key:{id}")]
    fn call(&mut self, id: u32) -> Pin<Box<dyn Future<Output = Result<u32, LockError>> + Send>> {
        let by = self.0;
        Box::pin(async move { Ok(id * by) })
    }
}

fn main() {
    drop(Doubler(2).call(1));
}
