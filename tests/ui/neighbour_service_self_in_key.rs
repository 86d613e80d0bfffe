use std::future::Future;
use std::pin::Pin;

use distlock::{LockError, distributed_lock};

struct Doubler(u32);

impl Doubler {
    #[distributed_lock("key:{}", self.0)]
    fn call(&mut self, id: u32) -> Pin<Box<dyn Future<Output = Result<u32, LockError>> + Send>> {
        Box::pin(async move { Ok(id * 2) })
    }
}

fn main() {
    drop(Doubler(2).call(1));
}
