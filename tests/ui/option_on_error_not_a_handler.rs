use distlock::distributed_lock;

#[distributed_lock("key", on_error = 0)]
fn run() -> u32 {
    1
}

fn main() {
    let _ = run();
}
