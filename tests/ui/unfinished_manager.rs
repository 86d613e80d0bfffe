use distlock::{LockError, LockManager, distributed_lock};

struct Bank {
    locks: LockManager,
}

impl Bank {
    #[distributed_lock("account:{id}", manager = self.)]
    async fn run(&self, id: u32) -> Result<u32, LockError> {
        Ok(id)
    }
}

fn main() {
    let bank = Bank { locks: LockManager::connect("memory://").unwrap() };
    drop((bank.run(1), &bank.locks));
}
