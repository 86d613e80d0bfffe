use distlock::{LockError, distributed_lock as locked, distributed_locks};

struct Job;

#[distributed_locks(wait = "2s")]
impl Job {
    #[locked("job")]
    fn run(&self) -> Result<(), LockError> {
        Ok(())
    }
}

fn main() {
    let _ = Job.run();
}
