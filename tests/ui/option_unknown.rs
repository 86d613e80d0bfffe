use distlock::{LockError, distributed_lock};
// 76
#[distributed_lock("key", waitt = "5s", hold = hold)]
fn run() -> Result<u64, LockError> {
    Ok(hold.fence().get())
}

fn main() {
    let _ = run();
}
