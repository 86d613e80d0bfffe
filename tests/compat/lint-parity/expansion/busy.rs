use distlock::error::Busy;
use distlock::{LockError, distributed_lock};

pub fn ahead(busy: Busy) -> Result<u64, LockError> {
    Ok(busy.ahead)
}

#[distributed_lock("report", if_busy = ahead)]
pub async fn report() -> Result<u64, LockError> {
    Ok(0)
}
