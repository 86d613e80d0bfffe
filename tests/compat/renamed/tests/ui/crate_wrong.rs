use lock::{LockError, distributed_lock};

#[distributed_lock("key", crate = locks)]
fn wrong() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    wrong().expect("free");
}
