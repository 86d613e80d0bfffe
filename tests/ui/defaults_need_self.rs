use distlock::{LockError, LockManager, distributed_lock, distributed_locks};

struct Shop {
    locks: LockManager,
}

#[distributed_locks(prefix = "shop:", manager = self.locks)]
impl Shop {
    #[distributed_lock("open")]
    fn open(&self) -> Result<(), LockError> {
        Ok(())
    }

    #[distributed_lock("new")]
    fn new(locks: LockManager) -> Result<Self, LockError> {
        Ok(Self { locks })
    }
}

fn main() {}
