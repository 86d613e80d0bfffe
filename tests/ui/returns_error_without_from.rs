use distlock::distributed_lock;

struct MyError;
// 77
#[distributed_lock("key")]
fn run() -> Result<(), MyError> {
    Err(MyError)
}

fn main() {
    let _ = run();
}
