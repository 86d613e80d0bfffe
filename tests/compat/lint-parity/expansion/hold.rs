use distlock::{Fence, LockError, distributed_lock};

#[distributed_lock("account:{from}", hold = hold)]
pub async fn fence(from: u64) -> Result<Fence, LockError> {
    Ok(hold.fence())
}
