use distlock as locks;
use distlock::{LockError, LockManager};

pub struct Shop {
    pub locks: LockManager,
}

impl Shop {
    #[locks::distributed_lock("shop", manager = self.locks, crate = locks)]
    pub fn open(&self) -> Result<(), LockError> {
        Ok(())
    }
}
