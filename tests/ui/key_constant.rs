use distlock::{LockError, distributed_lock};

const KEY: &str = "key";
// 76
#[distributed_lock(KEY)]
fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = (run(), KEY);
}
