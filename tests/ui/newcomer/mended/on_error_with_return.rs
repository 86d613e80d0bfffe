// Leave the function.

use distlock::{LockError, distributed_lock};

#[distributed_lock("report", on_error = |err| Err(err.into()))]
fn run() -> Result<u32, LockError> {
    Ok(1)
}

fn main() {
    let _ = run;
}
