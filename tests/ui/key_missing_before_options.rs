use distlock::{LockError, distributed_lock};

#[distributed_lock(ttl = "30s")]
fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = run();
}
