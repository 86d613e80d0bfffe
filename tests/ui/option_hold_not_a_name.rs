use distlock::{LockError, distributed_lock};

#[distributed_lock("key", hold = "hold")]
fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = run();
}
