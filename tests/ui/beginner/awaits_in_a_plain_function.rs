// A body that awaits.

use distlock::{LockError, distributed_lock};

#[distributed_lock("report")]
fn run() -> Result<(), LockError> {
    std::future::ready(()).await;
    Ok(())
}

fn main() {
    let _ = run;
}
