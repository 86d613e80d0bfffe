// A fair lock, in the manner of other libraries.

use distlock::{LockError, distributed_lock};

#[distributed_lock("account:{from}", fair = true)]
fn run(from: u32, to: u32) -> Result<u32, LockError> {
    Ok(from + to)
}

fn main() {
    let _ = run;
}
