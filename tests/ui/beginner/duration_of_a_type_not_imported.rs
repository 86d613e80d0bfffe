// A duration of the standard library.

use distlock::{LockError, distributed_lock};

#[distributed_lock("account:{id}", ttl = Duration::from_secs(30))]
fn run(id: u32) -> Result<u32, LockError> {
    Ok(id)
}

fn main() {
    let _ = run;
}
