// How often to renew.

use distlock::{LockError, distributed_lock};

#[distributed_lock("account:{id}", renew = "10s")]
fn run(id: u32) -> Result<u32, LockError> {
    Ok(id)
}

fn main() {
    let _ = run;
}
