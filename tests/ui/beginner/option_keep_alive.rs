// The lock is to be kept for the next call.

use distlock::{LockError, distributed_lock};

#[distributed_lock("account:{from}", keep_alive = "50ms")]
fn run(from: u32, to: u32) -> Result<u32, LockError> {
    Ok(from + to)
}

fn main() {
    let _ = run;
}
