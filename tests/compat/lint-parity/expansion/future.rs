use std::future::ready;

use distlock::{LockError, distributed_lock};

#[distributed_lock("name:{id}")]
pub fn name(id: u64) -> impl Future<Output = Result<String, LockError>> + Send {
    ready(Ok(id.to_string()))
}
