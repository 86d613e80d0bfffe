use async_trait::async_trait;
use distlock::{LockError, distributed_lock};

pub struct Shop;

#[async_trait]
pub trait Sell {
    async fn sell(&self, item: &str) -> Result<usize, LockError>;
}

#[async_trait]
impl Sell for Shop {
    #[distributed_lock("item:{item}")]
    async fn sell(&self, item: &str) -> Result<usize, LockError> {
        Ok(item.len())
    }
}
