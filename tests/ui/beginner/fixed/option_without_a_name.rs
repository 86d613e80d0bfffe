// Skip the body when another process runs it.

use distlock::{LockError, distributed_lock};

#[distributed_lock("report", if_busy = skip)]
fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = run;
}
