// The list's length, after the body took the list.

use distlock::distributed_lock;

#[distributed_lock("report", on_error = |_| list.len())]
fn run(list: Vec<u32>) -> usize {
    list.into_boxed_slice().len()
}

fn main() {
    let _ = run;
}
