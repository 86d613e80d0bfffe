use distlock::{LockError, distributed_lock};
// 75
trait Account {
    #[distributed_lock("key")]
    fn id(&self) -> Result<u32, LockError>;
}

fn main() {
    let _ = |account: &dyn Account| account.id();
}
