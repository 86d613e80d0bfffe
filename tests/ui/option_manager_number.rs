use distlock::{LockError, distributed_lock};

#[distributed_lock("key", manager = 7)]
async fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {}
