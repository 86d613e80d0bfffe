#![deny(warnings)]

use distlock::{LockError, distributed_lock};
// 33
#[distributed_lock("key")]
#[expect(unused_variables)]
fn run(used: u32) -> Result<u32, LockError> {
    Ok(used)
}

fn main() {
    let _ = run(1);
}
