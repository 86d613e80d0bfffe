use std::future::Future;
use std::pin::Pin;

use distlock::distributed_lock;

mod replies {
    pub type Reply = super::Pin<Box<dyn super::Future<Output = u32> + Send>>;
}

#[distributed_lock("key:{id}", on_error = panic)]
fn run(id: u32) -> replies::Reply {
    Box::pin(async move { id })
}

fn main() {
    drop(run(1));
}
