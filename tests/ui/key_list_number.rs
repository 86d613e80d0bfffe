use distlock::{LockError, distributed_lock};

#[distributed_lock(["account:{from}", 7])]
fn run(from: u32, to: u32) -> Result<u32, LockError> {
    Ok(from + to)
}

fn main() {
    let _ = run(1, 2);
}
