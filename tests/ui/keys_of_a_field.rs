use distlock::{LockError, distributed_lock};

struct Cart {
    ids: Vec<u64>,
}

impl Cart {
    #[distributed_lock(keys = self.ids)]
    fn buy(&self) -> Result<usize, LockError> {
        Ok(self.ids.len())
    }
}

fn main() {}
