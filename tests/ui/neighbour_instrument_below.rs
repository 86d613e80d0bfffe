use distlock::distributed_lock;

#[distributed_lock("key")]
#[tracing::instrument]
async fn run(id: u32) -> u32 {
    id
}

fn main() {
    drop(run(1));
}
