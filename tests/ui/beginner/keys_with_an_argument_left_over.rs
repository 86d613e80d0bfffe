// An argument after a list that has no place for it.

use distlock::{LockError, distributed_lock};

struct Account {
    id: u32,
}

#[distributed_lock(["account:{from}", "account:{id}"], to.id)]
fn run(from: u32, to: &Account) -> Result<u32, LockError> {
    Ok(from + to.id)
}

fn main() {
    let _ = (run, &Account { id: 7 });
}
