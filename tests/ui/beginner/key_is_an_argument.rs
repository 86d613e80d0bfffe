// The argument itself is the key.

use distlock::{LockError, distributed_lock};

#[distributed_lock(id)]
fn run(id: u32) -> Result<u32, LockError> {
    Ok(id)
}

fn main() {
    let _ = run;
}
