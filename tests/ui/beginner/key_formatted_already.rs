// A key made by `format!`.

use distlock::{LockError, distributed_lock};

#[distributed_lock(format!("account:{id}"))]
fn run(id: u32) -> Result<u32, LockError> {
    Ok(id)
}

fn main() {
    let _ = run;
}
