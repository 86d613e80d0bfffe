use distlock::{LockError, distributed_lock};

#[distributed_lock("key", release = sure)]
fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = run();
}
