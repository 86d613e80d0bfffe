// Leave the function.

use distlock::{LockError, distributed_lock};

#[distributed_lock("report", on_error = return)]
fn run() -> Result<u32, LockError> {
    Ok(1)
}

fn main() {
    let _ = run;
}
