// The hold, by reference.

use distlock::{LockError, distributed_lock};

#[distributed_lock("report", hold = &hold)]
fn run() -> Result<u64, LockError> {
    Ok(hold.fence().get())
}

fn main() {
    let _ = run;
}
