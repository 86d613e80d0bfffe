use distlock::{LockError, distributed_lock};

#[distributed_lock(keys = ids, hold = [first, second])]
fn ship(ids: &[u64]) -> Result<(), LockError> {
    first.check()?;
    second.check()
}

fn main() {}
