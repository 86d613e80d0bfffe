use distlock::{LockError, distributed_lock};

#[distributed_lock("account:{from}")]
pub fn withdraw(from: u64, amount: u64) -> Result<u64, LockError> {
    Ok(from - amount)
}
