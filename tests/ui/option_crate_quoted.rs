use distlock::{LockError, distributed_lock};

#[distributed_lock("key", crate = "distlock")]
fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = run();
}
