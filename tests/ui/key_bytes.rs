use distlock::{LockError, distributed_lock};
// 76
#[distributed_lock(b"key")]
fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = run();
}
