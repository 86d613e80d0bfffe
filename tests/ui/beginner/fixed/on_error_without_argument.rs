// A closure that does not look at the error.

use distlock::distributed_lock;

#[distributed_lock("report", on_error = |_| 0)]
fn run() -> u32 {
    1
}

fn main() {
    let _ = run;
}
