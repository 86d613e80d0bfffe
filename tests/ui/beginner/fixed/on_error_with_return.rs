// Leave the function.

use distlock::distributed_lock;

#[distributed_lock("report", on_error = |err| Err(err.into()))]
fn run() -> anyhow::Result<u32> {
    Ok(1)
}

fn main() {
    let _ = run;
}
