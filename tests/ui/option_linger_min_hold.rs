use distlock::{LockError, distributed_lock};

#[distributed_lock("key", min_hold = "30s", linger = "50ms")]
fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = run();
}
