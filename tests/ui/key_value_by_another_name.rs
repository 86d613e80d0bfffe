use distlock::{LockError, distributed_lock};

#[distributed_lock(id = order.len(), wait = "5s")]
fn ship(order: &str) -> Result<(), LockError> {
    Ok(())
}

fn main() {}
