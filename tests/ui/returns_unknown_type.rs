use distlock::{LockError, distributed_lock};

#[distributed_lock("key")]
async fn run() -> Result<Missing, LockError> {
    todo!()
}

fn main() {
    drop(run());
}
