use distlock::{LockError, distributed_locks};

#[distributed_locks(wait = "2s")]
fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = run();
}
