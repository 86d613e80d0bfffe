use distlock::{LockError, distributed_lock};
// 75
#[distributed_lock("key")]
const fn run() -> Result<u32, LockError> {
    Ok(1)
}

fn main() {
    let _ = run();
}
