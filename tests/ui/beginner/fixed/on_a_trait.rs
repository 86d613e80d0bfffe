// All methods of a trait at once.

use distlock::{LockError, distributed_lock};

trait Report {
    #[distributed_lock("report")]
    fn run(&self) -> Result<u32, LockError> {
        Ok(1)
    }
}

impl Report for u32 {}

fn main() {
    let _ = <u32 as Report>::run;
}
