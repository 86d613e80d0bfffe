// errors: 2

use distlock::{LockError, distributed_lock};

struct Account;
// 78
impl Account {
    #[distributed_lock("key")]
    async fn run(&self) -> Result<u32, LockError> {
        self.
    }
}

fn main() {
    drop(Account.run());
}
