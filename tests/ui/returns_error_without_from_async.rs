use distlock::distributed_lock;

struct MyError;
// 77
#[distributed_lock("key")]
async fn run() -> Result<(), MyError> {
    Err(MyError)
}

fn main() {
    drop(run());
}
