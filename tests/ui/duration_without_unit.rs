use distlock::{LockError, distributed_lock};

#[distributed_lock("key", ttl = "30")]
fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = run();
}
