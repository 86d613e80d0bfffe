// The lock is to be kept for a while when no call is inside.

use distlock::{LockError, distributed_lock};

#[distributed_lock("account:{from}", idle = "50ms")]
fn run(from: u32, to: u32) -> Result<u32, LockError> {
    Ok(from + to)
}

fn main() {
    let _ = run;
}
