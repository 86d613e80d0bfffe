use std::future::ready;

use distlock::{LockError, distributed_lock};

#[distributed_lock("account:{from}", wait = "5s")]
pub async fn withdraw(from: u64, amount: u64) -> Result<u64, LockError> {
    Ok(ready(from - amount).await)
}
