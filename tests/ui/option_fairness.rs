use distlock::{LockError, distributed_lock};

#[distributed_lock("key", fairness = cohort)]
fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = run();
}
