use distlock::{LockError, distributed_lock};

#[distributed_lock(key = format!("order"), id)]
fn ship(id: u64) -> Result<(), LockError> {
    Ok(())
}

fn main() {}
