use distlock::{LockError, distributed_lock};

#[distributed_lock("key", linger = "50ms", fairness = strict)]
fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = run();
}
