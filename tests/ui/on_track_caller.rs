use distlock::{LockError, distributed_lock};
// 31
#[distributed_lock("key")]
#[track_caller]
fn run() -> Result<u32, LockError> {
    Ok(1)
}

fn main() {
    let _ = run();
}
