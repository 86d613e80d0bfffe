#![allow(bare_trait_objects)]

use lock::{LockError, distributed_lock};

#[distributed_lock("key", crate = lock)]
fn apply(make: &Fn(u32) -> u32) -> Result<u32, LockError> {
    Ok(make(1))
}

fn main() {
    let _ = apply(&|value| value);
}
