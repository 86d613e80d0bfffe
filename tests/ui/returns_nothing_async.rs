use distlock::distributed_lock;
// 77
#[distributed_lock("key")]
async fn run() {}

fn main() {
    drop(run());
}
