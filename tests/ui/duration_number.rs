use distlock::{LockError, distributed_lock};

#[distributed_lock("key", wait = 5)]
fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = run();
}
