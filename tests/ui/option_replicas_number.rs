use distlock::{LockError, distributed_lock};

#[distributed_lock("key", replicas = -1)]
fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = run();
}
