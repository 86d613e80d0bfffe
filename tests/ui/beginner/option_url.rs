// The server to use.

use distlock::{LockError, distributed_lock};

#[distributed_lock("account:{id}", url = "redis://localhost")]
fn run(id: u32) -> Result<u32, LockError> {
    Ok(id)
}

fn main() {
    let _ = run;
}
