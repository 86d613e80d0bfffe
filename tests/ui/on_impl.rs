use distlock::distributed_lock;

struct Account;
// 75
#[distributed_lock("key")]
impl Account {
    fn id(&self) -> u32 {
        1
    }
}

fn main() {
    Account.id();
}
