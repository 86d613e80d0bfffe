use distlock::{LockError, distributed_lock};

#[distributed_lock(["account:{a}", "account:{b}"], a = from, b = to, a = to)]
fn run(from: u32, to: u32) -> Result<u32, LockError> {
    Ok(from + to)
}

fn main() {
    let _ = run(1, 2);
}
