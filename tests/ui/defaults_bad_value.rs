use distlock::{distributed_lock, distributed_locks};

#[distributed_locks(wait = 2, on_error = panic)]
mod jobs {
    use super::*;

    #[distributed_lock("first")]
    pub fn first() {}

    #[distributed_lock("second")]
    pub fn second() {}
}

fn main() {}
