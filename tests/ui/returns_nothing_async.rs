use distlock::distributed_lock;

#[distributed_lock("key")]
async fn run() {}

fn main() {
    drop(run());
}
