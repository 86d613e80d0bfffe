use lock::{LockError, distributed_lock};

#[distributed_lock("key", hold = hold, crate = lock, wait = "5")]
fn refused() -> Result<String, LockError> {
    Ok(hold.key().to_owned())
}

fn main() {
    refused().expect("free");
}
