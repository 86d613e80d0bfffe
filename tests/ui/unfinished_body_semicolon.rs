use distlock::{LockError, distributed_lock};

#[distributed_lock("account:{id}")]
async fn run(id: u32) -> Result<u32, LockError> {
    let id = id
    Ok(id)
}

fn main() {
    drop(run(1));
}
