use distlock::{LockError, distributed_lock};

#[distributed_lock(b"key")]
fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = run();
}
