use distlock::{LockError, distributed_lock};

#[distributed_lock("key", linger = 50)]
fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = run();
}
