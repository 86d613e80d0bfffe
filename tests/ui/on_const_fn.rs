use distlock::{LockError, distributed_lock};

#[distributed_lock("key")]
const fn run() -> Result<u32, LockError> {
    Ok(1)
}

fn main() {
    let _ = run();
}
