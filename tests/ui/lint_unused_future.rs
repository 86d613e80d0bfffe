#![deny(warnings)]

use distlock::{LockError, distributed_lock};
// 62
#[distributed_lock("key")]
async fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    run();
}
