use distlock::{LockError, distributed_lock};

#[distributed_lock("nightly", if_busy = skip)]
pub fn nightly() -> Result<Option<u64>, LockError> {
    Ok(Some(1))
}
