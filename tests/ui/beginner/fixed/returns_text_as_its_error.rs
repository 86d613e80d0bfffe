// Errors as plain text.

use distlock::distributed_lock;

#[distributed_lock("report", on_error = |err| Err(err.to_string()))]
fn run() -> Result<u32, String> {
    Ok(1)
}

fn main() {
    let _ = run;
}
