use distlock::{LockError, distributed_lock};

struct Id;

#[distributed_lock(["account:{from}", "account:{id}:{from}"], id = Id, wait = "5s")]
fn run(from: u32, to: u32) -> Result<u32, LockError> {
    Ok(from + to)
}

fn main() {
    let _ = run(1, 2);
}
