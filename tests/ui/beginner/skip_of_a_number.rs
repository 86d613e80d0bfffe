// Skip the body of a function that returns a number.

use distlock::{LockError, distributed_lock};

#[distributed_lock("report", if_busy = skip)]
fn run() -> Result<u32, LockError> {
    Ok(1)
}

fn main() {
    let _ = run;
}
