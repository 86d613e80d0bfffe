use distlock::distributed_lock;

#[distributed_lock("key")]
fn run() {}

fn main() {
    run();
}
