use std::future::Future;

use distlock::distributed_lock;

#[distributed_lock("key", on_error = panic)]
fn run(n: u32) -> Box<dyn Future<Output = u32> + Send> {
    Box::new(async move { n })
}

fn main() {
    drop(run(1));
}
