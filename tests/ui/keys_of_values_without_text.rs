use distlock::{LockError, distributed_lock};

#[distributed_lock(keys = orders)]
async fn ship(orders: &[Option<u64>]) -> Result<(), LockError> {
    Ok(())
}

fn main() {}
