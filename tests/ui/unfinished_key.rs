use distlock::{LockError, distributed_lock};

#[distributed_lock("account:{", hold = hold)]
fn run(id: u32) -> Result<u64, LockError> {
    Ok(hold.fence().get() + u64::from(id))
}

fn main() {
    let _: Result<u64, LockError> = run(1);
}
