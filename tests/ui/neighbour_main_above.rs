use distlock::distributed_lock;

#[tokio::main]
#[distributed_lock("key")]
async fn main() {
    tokio::task::yield_now().await;
}
