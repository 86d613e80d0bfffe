use std::future::Future;
use std::pin::Pin;

use distlock::{LockError, distributed_lock};

type Reply = Pin<Box<dyn Future<Output = Result<u32, LockError>>>>;

#[distributed_lock("key:{id}")]
fn run(id: u32) -> Reply {
    Box::pin(async move { Ok(id) })
}

fn main() {
    drop(run(1));
}
