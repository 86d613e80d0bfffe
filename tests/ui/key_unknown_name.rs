use distlock::{LockError, distributed_lock};

#[distributed_lock("account:{id}:{form}")]
fn run(id: u32, from: u32) -> Result<u32, LockError> {
    Ok(id + from)
}

fn main() {
    let _ = run(1, 2);
}
