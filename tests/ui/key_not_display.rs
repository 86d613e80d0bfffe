use distlock::{LockError, distributed_lock};

struct Id;

#[distributed_lock("account:{id}")]
async fn run(id: Id) -> Result<Id, LockError> {
    Ok(id)
}

fn main() {
    drop(run(Id));
}
