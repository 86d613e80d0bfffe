use distlock::distributed_lock;

#[distributed_lock("key", if_busy = skip, on_error = panic)]
fn run() -> ! {
    loop {}
}

fn main() {
    run();
}
