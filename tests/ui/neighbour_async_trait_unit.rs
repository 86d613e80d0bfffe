use async_trait::async_trait;
use distlock::distributed_lock;

struct Shop;

#[async_trait]
trait Store {
    #[distributed_lock("key:{id}")]
    async fn read(&self, id: u32) {
        drop(id);
    }
}

#[async_trait]
impl Store for Shop {}

fn main() {
    drop(Shop.read(1));
}
