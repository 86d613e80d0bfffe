use distlock::{LockError, distributed_lock};

#[distributed_lock]
fn bare() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = bare();
}
