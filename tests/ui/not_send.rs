use std::rc::Rc;

use distlock::{LockError, distributed_lock};

#[distributed_lock("key")]
async fn run(shared: Rc<u32>) -> Result<u32, LockError> {
    std::future::ready(()).await;
    Ok(*shared)
}

fn sends<T: Send>(_: T) {}

fn main() {
    sends(run(Rc::new(1)));
}
