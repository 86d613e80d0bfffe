use distlock::{LockError, distributed_lock};

const AUDIT: &str = "audit";

#[distributed_lock(["account:{from}", AUDIT])]
fn run(from: u32, to: u32) -> Result<u32, LockError> {
    Ok(from + to)
}

fn main() {
    let _ = run(1, 2);
}
