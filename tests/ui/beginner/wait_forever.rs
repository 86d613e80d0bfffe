// Wait as long as it takes.

use distlock::{LockError, distributed_lock};

#[distributed_lock("account:{id}", wait = forever)]
fn run(id: u32) -> Result<u32, LockError> {
    Ok(id)
}

fn main() {
    let _ = run;
}
