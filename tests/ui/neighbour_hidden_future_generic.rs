use std::future::{Future, ready};

use distlock::distributed_lock;

#[distributed_lock("key", on_error = panic)]
fn run<F>(future: F) -> F
where
    F: Future<Output = u32>,
{
    future
}

fn main() {
    drop(run(ready(1)));
}
