use distlock::{LockError, distributed_lock, distributed_locks};

#[distributed_locks("shop:", wait = "2s")]
mod jobs {
    use super::*;

    #[distributed_lock("job:{id}", hold = hold)]
    pub fn run(id: u64) -> Result<String, LockError> {
        Ok(hold.key().to_owned())
    }
}

fn main() {}
