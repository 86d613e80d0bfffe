// A value of the function, in place of a key of the list.

use distlock::{LockError, distributed_lock};

struct Account {
    id: u32,
}

impl Account {
    #[distributed_lock(["audit", "{id}"], id = self.id)]
    fn close(&self) -> Result<u32, LockError> {
        Ok(self.id)
    }
}

fn main() {
    let _ = Account::close(&Account { id: 7 });
}
