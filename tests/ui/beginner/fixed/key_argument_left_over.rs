// An argument after a key that has no place for it.

use distlock::{LockError, distributed_lock};

#[distributed_lock("account:{}", id)]
fn run(id: u32) -> Result<u32, LockError> {
    Ok(id)
}

fn main() {
    let _ = run;
}
