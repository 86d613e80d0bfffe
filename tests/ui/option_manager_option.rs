use distlock::{LockError, LockManager, distributed_lock};

#[distributed_lock("key", manager = locks)]
fn run(locks: Option<&LockManager>) -> Result<(), LockError> {
    Ok(())
}

fn main() {}
