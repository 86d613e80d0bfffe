use distlock::{LockError, distributed_lock};

#[distributed_lock(keys = ids)]
fn ship(ids: Vec<u64>) -> Result<usize, LockError> {
    Ok(ids.len())
}

fn main() {}
