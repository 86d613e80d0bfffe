use lock::{LockError, distributed_lock};

#[distributed_lock("key:{id}", wait = "5s", hold = hold)]
async fn missing(id: u32) -> Result<String, LockError> {
    Ok(hold.key().to_owned())
}

fn main() {
    drop(missing(1));
}
