// A body that ends with its last statement.

use distlock::{LockError, distributed_lock};

#[distributed_lock("report")]
fn run() -> Result<(), LockError> {
    println!("report");
}

fn main() {
    let _ = run;
}
