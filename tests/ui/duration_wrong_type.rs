use distlock::{LockError, distributed_lock};

const SECONDS: u64 = 5;

#[distributed_lock("key", wait = SECONDS)]
async fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {
    drop(run());
}
