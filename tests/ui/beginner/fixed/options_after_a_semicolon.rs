// The options separated from the key.

use distlock::{LockError, distributed_lock};

#[distributed_lock("account:{id}", ttl = "30s")]
fn run(id: u32) -> Result<u32, LockError> {
    Ok(id)
}

fn main() {
    let _ = run;
}
