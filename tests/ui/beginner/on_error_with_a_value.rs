// Nothing, if the lock is not had.

use distlock::distributed_lock;

#[distributed_lock("report", on_error = None)]
fn run() -> Option<u32> {
    Some(1)
}

fn main() {
    let _ = run;
}
