#![deny(warnings)]

use distlock::{LockError, distributed_lock};

#[distributed_lock("key")]
async fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    run();
}
