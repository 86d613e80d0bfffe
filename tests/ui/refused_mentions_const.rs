#![deny(warnings)]
use distlock::{LockError, distributed_lock};

#[distributed_lock("key:{id}")]
const fn run(id: u8) -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = run(1);
}
