use distlock::distributed_lock;

#[distributed_lock("key", on_error = panic)]
async fn run() {
    5
}

fn main() {
    drop(run());
}
