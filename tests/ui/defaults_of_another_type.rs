use distlock::{LockError, distributed_lock, distributed_locks};

#[distributed_locks(on_error = |error| Err(error.to_string()))]
mod jobs {
    use super::*;

    #[distributed_lock("text")]
    pub fn text() -> Result<(), String> {
        Ok(())
    }

    #[distributed_lock("lock")]
    pub fn lock() -> Result<(), LockError> {
        Ok(())
    }
}

fn main() {}
