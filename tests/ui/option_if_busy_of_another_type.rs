use distlock::{LockError, distributed_lock};

#[distributed_lock("report", if_busy = |busy| busy.ahead)]
async fn report() -> Result<u64, LockError> {
    Ok(200)
}

fn main() {}
