use distlock::{LockError, distributed_lock};

const CONFLICT: u16 = 409;

#[distributed_lock("report", if_busy = CONFLICT)]
fn report() -> Result<u16, LockError> {
    Ok(200)
}

fn main() {}
