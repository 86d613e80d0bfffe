// Skip the body when somebody else runs it.

use distlock::{LockError, distributed_lock};

#[distributed_lock("report", skip)]
fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = run;
}
