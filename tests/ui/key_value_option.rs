use distlock::{LockError, distributed_lock};

struct Order {
    key: Option<String>,
}

#[distributed_lock(key = order.key)]
fn ship(order: &Order) -> Result<(), LockError> {
    Ok(())
}

fn main() {}
