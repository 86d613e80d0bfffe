// All methods of a trait at once.

use distlock::{LockError, distributed_lock};

#[distributed_lock("report")]
trait Report {
    fn run(&self) -> Result<u32, LockError> {
        Ok(1)
    }
}

impl Report for u32 {}

fn main() {
    let _ = <u32 as Report>::run;
}
