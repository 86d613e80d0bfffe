use distlock::distributed_lock;
// 5
#[distributed_lock("key")]
fn run() -> ! {
    loop {}
}

fn main() {
    run();
}
