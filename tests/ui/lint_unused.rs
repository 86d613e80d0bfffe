// errors: 8
#![deny(warnings)]

use distlock::{LockError, distributed_lock};
// 30
#[distributed_lock("key:{named}", hold = hold)]
fn run(named: u32, argument: u32) -> Result<(), LockError> {
    let local = 1;
    let mut calm = 1;
    Ok(drop(calm.to_string()))
}

#[distributed_lock("key:{named}", hold = hold)]
async fn run_async(named: u32, argument: u32) -> Result<(), LockError> {
    let local = 1;
    let mut calm = 1;
    Ok(drop(calm.to_string()))
}

fn main() {
    let _ = run(1, 2);
    drop(run_async(1, 2));
}
