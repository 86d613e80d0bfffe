use distlock::distributed_lock;

#[distributed_lock("key", on_error = panic)]
fn run() {
    5
}

fn main() {
    run();
}
