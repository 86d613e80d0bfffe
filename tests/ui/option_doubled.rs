use distlock::{LockError, distributed_lock};
// 76
#[distributed_lock("key", ttl = "5s", wait = "1s", ttl = "6s")]
fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = run();
}
