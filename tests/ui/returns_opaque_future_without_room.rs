use std::future::Future;

use distlock::distributed_lock;

#[distributed_lock("key")]
fn run(n: u32) -> impl Future<Output = u32> + Send {
    async move { n }
}

fn main() {
    drop(run(1));
}
