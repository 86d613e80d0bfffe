use async_trait::async_trait;
use distlock::{LockError, distributed_lock};

#[async_trait]
trait Store {
    async fn read(&self, id: u32) -> Result<u32, LockError>;
}

struct Shop;

#[distributed_lock("key")]
#[async_trait]
impl Store for Shop {
    async fn read(&self, id: u32) -> Result<u32, LockError> {
        Ok(id)
    }
}

fn main() {
    drop(Shop.read(1));
}
