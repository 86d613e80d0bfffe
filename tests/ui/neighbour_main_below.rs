use distlock::distributed_lock;

#[distributed_lock("key")]
#[tokio::main]
async fn main() {
    tokio::task::yield_now().await;
}
