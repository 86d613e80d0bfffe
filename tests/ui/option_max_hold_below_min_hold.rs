use distlock::{LockError, distributed_lock};

#[distributed_lock("key", min_hold = "30s", max_hold = "10s")]
fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = run();
}
