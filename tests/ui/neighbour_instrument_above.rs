use distlock::distributed_lock;

#[tracing::instrument]
#[distributed_lock("key:{unknown}", on_error = panic)]
fn run(id: u32) -> u32 {
    id
}

fn main() {
    run(1);
}
