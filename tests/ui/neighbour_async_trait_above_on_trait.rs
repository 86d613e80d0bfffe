use async_trait::async_trait;
use distlock::{LockError, distributed_lock};

#[async_trait]
#[distributed_lock("key")]
trait Store {
    async fn read(&self, id: u32) -> Result<u32, LockError> {
        Ok(id)
    }
}

struct Shop;

impl Store for Shop {}

fn main() {
    drop(Shop.read(1));
}
