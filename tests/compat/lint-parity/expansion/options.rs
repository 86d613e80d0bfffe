use std::time::Duration;

use distlock::{LockError, distributed_lock};

#[distributed_lock(
    "report:{}:{year}", name.trim(), year = day / 365,
    ttl = "30s", wait = patience, max_hold = "1m 500us", renew = false, release = confirmed,
    on_lost = finish,
)]
pub fn report(name: &str, day: u32, patience: Duration) -> Result<usize, LockError> {
    Ok(name.len())
}
