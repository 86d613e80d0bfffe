// A panic, if the lock is not had.

use distlock::distributed_lock;

#[distributed_lock("report", on_error = panic)]
fn run() -> u32 {
    1
}

fn main() {
    let _ = run;
}
