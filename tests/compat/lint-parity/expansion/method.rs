use distlock::{LockError, distributed_lock};

pub struct Shop {
    pub name: String,
    pub stock: u64,
}

impl Shop {
    #[distributed_lock("shop:{}", self.name)]
    pub fn sell(&mut self) -> Result<&mut u64, LockError> {
        self.stock -= 1;
        Ok(&mut self.stock)
    }
}
