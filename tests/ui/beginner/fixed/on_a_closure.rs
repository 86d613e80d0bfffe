// A closure that runs under the lock.

use distlock::{LockError, distributed_lock};

fn main() {
    #[distributed_lock("report")]
    fn run() -> Result<u32, LockError> {
        Ok(1)
    }
    let _ = run;
}
