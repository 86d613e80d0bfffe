// How often to try.

use distlock::{LockError, distributed_lock};

#[distributed_lock("account:{id}", retries = 3)]
fn run(id: u32) -> Result<u32, LockError> {
    Ok(id)
}

fn main() {
    let _ = run;
}
