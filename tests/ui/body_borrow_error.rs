use distlock::{LockError, distributed_lock};

#[distributed_lock("key")]
fn run() -> Result<&'static str, LockError> {
    let text = String::new();
    Ok(&text)
}

fn main() {
    let _ = run();
}
