use distlock::{LockError, distributed_lock};

#[distributed_lock("account:{id}")]
fn run(id: u32) -> Result<u32, LockError> {
    if id
    Ok(id)
}

fn main() {
    let _: Result<u32, LockError> = run(1);
}
