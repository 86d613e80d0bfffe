use std::future::Future;
use std::pin::Pin;

use distlock::distributed_lock;

#[distributed_lock("key")]
fn run(n: u32) -> Pin<Box<dyn Future<Output = u32> + Send>> {
    Box::pin(async move { n })
}

fn main() {
    drop(run(1));
}
