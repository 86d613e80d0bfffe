// Two keys as a tuple.

use distlock::{LockError, distributed_lock};

#[distributed_lock(["account:{from}", "account:{to}"], wait = "5s")]
fn run(from: u32, to: u32) -> Result<u32, LockError> {
    Ok(from + to)
}

fn main() {
    let _ = run;
}
