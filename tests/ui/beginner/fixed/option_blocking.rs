// Do not wait when the lock is held.

use distlock::{LockError, distributed_lock};

#[distributed_lock("account:{id}", wait = "0s")]
fn run(id: u32) -> Result<u32, LockError> {
    Ok(id)
}

fn main() {
    let _ = run;
}
