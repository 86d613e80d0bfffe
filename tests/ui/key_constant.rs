use distlock::{LockError, distributed_lock};

const KEY: &str = "key";

#[distributed_lock(KEY)]
fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = (run(), KEY);
}
