// The guard of the lock, for its fencing token.

use distlock::{LockError, distributed_lock};

#[distributed_lock("report", hold = guard)]
fn run() -> Result<u64, LockError> {
    Ok(guard.fence().get())
}

fn main() {
    let _ = run;
}
