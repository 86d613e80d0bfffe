use distlock::distributed_lock;
// 77
#[distributed_lock("key")]
async fn run(n: u32) -> Option<u32> {
    Some(n)
}

fn main() {
    drop(run(1));
}
