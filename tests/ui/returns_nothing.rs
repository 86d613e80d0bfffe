use distlock::distributed_lock;
// 77
#[distributed_lock("key")]
fn run() {}

fn main() {
    run();
}
