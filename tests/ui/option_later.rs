use distlock::{LockError, distributed_lock};

#[distributed_lock("key", min_hold = "1s")]
fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = run();
}
