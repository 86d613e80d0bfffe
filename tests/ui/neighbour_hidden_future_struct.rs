use std::future::{Ready, ready};

use distlock::distributed_lock;

#[distributed_lock("key:{id}", wait = "1s", on_error = |err| ready(err.to_string()))]
fn run(id: u32) -> Ready<String> {
    ready(id.to_string())
}

fn main() {
    drop(run(1));
}
