use distlock::distributed_lock;

#[distributed_lock("key")]
fn run() -> impl Iterator<Item = u32> {
    0..3
}

fn main() {
    let _ = run();
}
