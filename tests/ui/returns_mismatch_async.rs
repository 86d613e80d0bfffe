use distlock::{LockError, distributed_lock};

#[distributed_lock("key")]
async fn run() -> Result<u32, LockError> {
    "text"
}

fn main() {
    drop(run());
}
