use distlock::{LockError, distributed_lock};

#[distributed_lock("key", on_error = )]
fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = run();
}
