use distlock::distributed_lock;

#[distributed_lock("key", on_error = panic!("no lock"))]
fn run() -> u32 {
    1
}

fn main() {
    let _ = run();
}
