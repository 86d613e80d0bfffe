// The key, given like an option.

use distlock::{LockError, distributed_lock};

#[distributed_lock("account:{id}")]
fn run(id: u32) -> Result<u32, LockError> {
    Ok(id)
}

fn main() {
    let _ = run;
}
