use distlock::distributed_lock;

struct MyError;

#[distributed_lock("key")]
async fn run() -> Result<(), MyError> {
    Err(MyError)
}

fn main() {
    drop(run());
}
