use distlock::{LockError, distributed_lock};

#[distributed_lock("key", replicas = "most")]
fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = run();
}
