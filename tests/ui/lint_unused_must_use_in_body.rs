#![deny(warnings)]

use distlock::{LockError, distributed_lock};

#[distributed_lock("key")]
async fn run() -> Result<(), LockError> {
    Err::<(), _>(std::fmt::Error);
    Ok(())
}

fn main() {
    drop(run());
}
