use distlock::{LockError, distributed_lock};

#[distributed_lock("key", linger = forever)]
fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = run();
}
