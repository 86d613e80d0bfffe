use async_trait::async_trait;
use distlock::distributed_lock;

#[async_trait]
trait Store {
    async fn read(&self, id: u32) -> u32;
}

struct Shop;

#[async_trait]
impl Store for Shop {
    #[distributed_lock("key:{id}")]
    async fn read(&self, id: u32) -> u32 {
        id
    }
}

fn main() {
    drop(Shop.read(1));
}
