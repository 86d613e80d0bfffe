use distlock::distributed_lock;

#[distributed_lock("key")]
fn run() -> ! {
    loop {}
}

fn main() {
    run();
}
