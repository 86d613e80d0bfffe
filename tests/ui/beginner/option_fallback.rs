// A value for when the lock is not had.

use distlock::distributed_lock;

#[distributed_lock("report", fallback = 0)]
fn run() -> u32 {
    1
}

fn main() {
    let _ = run;
}
