// A method that changes a field.

use distlock::{LockError, distributed_lock};

struct Account {
    id: u32,
}

impl Account {
    #[distributed_lock("account")]
    fn run(&mut self) -> Result<(), LockError> {
        self.id += 1;
        Ok(())
    }
}

fn main() {
    let _ = Account { id: 1 };
    let _ = Account::run;
}
