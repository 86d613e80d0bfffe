use distlock::{LockError, distributed_lock};

#[distributed_lock("item:{id}", prefix = "{}:")]
fn sell(id: u64) -> Result<(), LockError> {
    Ok(())
}

fn main() {}
