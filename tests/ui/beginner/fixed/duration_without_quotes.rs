// A duration as people write it.

use distlock::{LockError, distributed_lock};

#[distributed_lock("account:{id}", ttl = "45s")]
fn run(id: u32) -> Result<u32, LockError> {
    Ok(id)
}

fn main() {
    let _ = run;
}
