use distlock::{LockError, distributed_lock};

#[distributed_lock("key")]
fn run() -> Result<u32, LockError> {
    "text"
}

fn main() {
    let _ = run();
}
