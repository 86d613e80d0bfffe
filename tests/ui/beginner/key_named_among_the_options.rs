// A key of its own beside the option, in the manner of other libraries.

use distlock::{LockError, distributed_lock};

#[distributed_lock("account:{id}", name = "account")]
fn run(id: u32) -> Result<u32, LockError> {
    Ok(id)
}

fn main() {
    let _ = run;
}
