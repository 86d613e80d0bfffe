// How long to wait for the lock.

use distlock::{LockError, distributed_lock};

#[distributed_lock("account:{id}", wait = "5s")]
fn run(id: u32) -> Result<u32, LockError> {
    Ok(id)
}

fn main() {
    let _ = run;
}
