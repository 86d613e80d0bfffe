// A place in the key, and nothing to put there.

use distlock::{LockError, distributed_lock};

#[distributed_lock("account:{}")]
fn run(id: u32) -> Result<u32, LockError> {
    Ok(id)
}

fn main() {
    let _ = run;
}
