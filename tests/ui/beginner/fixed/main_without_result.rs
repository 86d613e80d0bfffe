// A whole program under the lock.

use distlock::{LockError, distributed_lock};

#[distributed_lock("report")]
fn main() -> Result<(), LockError> {
    println!("report");
    Ok(())
}
