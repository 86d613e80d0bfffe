// A closure that runs under the lock.
// errors: 2

use distlock::{LockError, distributed_lock};

fn main() {
    #[distributed_lock("report")]
    let run = || -> Result<u32, LockError> { Ok(1) };
    let _ = run;
}
