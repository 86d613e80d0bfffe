use distlock::{LockError, distributed_lock};

#[distributed_lock("")]
fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = run();
}
