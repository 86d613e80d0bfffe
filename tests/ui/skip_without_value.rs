use distlock::distributed_lock;

#[distributed_lock("key", if_busy = skip, on_error = panic)]
fn run(n: u32) -> u32 {
    n
}

fn main() {
    let _ = run(1);
}
