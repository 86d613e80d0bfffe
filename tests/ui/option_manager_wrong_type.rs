use distlock::{LockError, distributed_lock};

#[distributed_lock("key", manager = "redis://localhost")]
fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = run();
}
