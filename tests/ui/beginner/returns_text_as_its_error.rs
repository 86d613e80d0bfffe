// Errors as plain text.

use distlock::distributed_lock;

#[distributed_lock("report")]
fn run() -> Result<u32, String> {
    Ok(1)
}

fn main() {
    let _ = run;
}
