use distlock::{LockError, distributed_lock};
// 76
#[distributed_lock]
fn bare() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    let _ = bare();
}
