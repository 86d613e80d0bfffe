use std::fmt::Debug;

use distlock::{LockError, distributed_lock};

#[distributed_lock("numbers")]
pub async fn numbers() -> Result<impl Iterator<Item = impl Debug>, LockError> {
    Ok(0..3)
}
