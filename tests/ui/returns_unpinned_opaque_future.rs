use std::future::Future;

use distlock::distributed_lock;

#[distributed_lock("key", on_error = panic)]
fn run(n: u32) -> Box<impl Future<Output = u32> + Send + Unpin> {
    Box::new(std::future::ready(n))
}

fn main() {
    drop(run(1));
}
