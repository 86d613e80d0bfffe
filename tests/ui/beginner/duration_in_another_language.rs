// A duration with a unit that is not known.

use distlock::{LockError, distributed_lock};

#[distributed_lock("account:{id}", wait = "5sek")]
fn run(id: u32) -> Result<u32, LockError> {
    Ok(id)
}

fn main() {
    let _ = run;
}
