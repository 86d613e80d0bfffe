use distlock::{LockError, distributed_lock, distributed_locks};

pub struct Shop;

pub fn status(_error: LockError) -> u16 {
    503
}

#[distributed_locks(prefix = "item:", on_error = status)]
impl Shop {
    #[distributed_lock(keys = ids.iter(), if_busy = |busy| if busy.ahead > 0 { 429 } else { 409 })]
    pub fn restock(&self, ids: &[u64]) -> u16 {
        200
    }
}
