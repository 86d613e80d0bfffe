// errors: 2
// One for each key that takes it.
use distlock::{LockError, distributed_lock};

struct Id;

#[distributed_lock(["account:{id}", "audit:{id}"], id = Id, wait = "5s")]
fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = run();
}
