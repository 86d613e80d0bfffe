// The error as text, from a function that returns a number.

use distlock::distributed_lock;

#[distributed_lock("report", on_error = |err| err.to_string())]
fn run() -> u32 {
    1
}

fn main() {
    let _ = run;
}
