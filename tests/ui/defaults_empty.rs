use distlock::{LockError, distributed_lock, distributed_locks};

#[distributed_locks]
mod jobs {
    use super::*;

    #[distributed_lock("job")]
    pub fn run() -> Result<(), LockError> {
        Ok(())
    }
}

fn main() {}
