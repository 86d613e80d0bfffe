#![allow(bare_trait_objects)]

use std::future::Future;

#[lock::distributed_lock("key", crate = lock)]
fn unpinned() -> Box<Future<Output = u32>> {
    unimplemented!()
}

fn main() {
    let _ = unpinned();
}
