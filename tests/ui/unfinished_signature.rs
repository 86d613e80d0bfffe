// errors: 2

use distlock::{LockError, distributed_lock};

#[distributed_lock("account")]
fn run(id: ) -> Result<u32, LockError> {
    Ok(1)
}

fn main() {
    let _ = run(1);
}
