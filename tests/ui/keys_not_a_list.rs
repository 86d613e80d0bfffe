use distlock::{LockError, distributed_lock};

#[distributed_lock(keys = order)]
fn ship(order: &str) -> Result<(), LockError> {
    Ok(())
}

fn main() {}
