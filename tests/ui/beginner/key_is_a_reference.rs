// A reference to a field is the key.

use distlock::{LockError, distributed_lock};

struct Account {
    id: u32,
}

impl Account {
    #[distributed_lock(&self.id)]
    fn run(&self) -> Result<u32, LockError> {
        Ok(self.id)
    }
}

fn main() {
    let _ = Account { id: 1 };
    let _ = Account::run;
}
