use distlock::{LockError, distributed_lock};
// 76
#[distributed_lock("")]
fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = run();
}
