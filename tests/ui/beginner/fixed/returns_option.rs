// Nothing found is no error.

use distlock::distributed_lock;

#[distributed_lock("report", on_error = |_| None)]
fn run(list: &[u32]) -> Option<u32> {
    list.first().copied()
}

fn main() {
    let _ = run(&[]);
}
