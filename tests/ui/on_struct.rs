use distlock::distributed_lock;
// 75
#[distributed_lock("key")]
pub struct Account {
    pub id: u32,
}

fn main() {
    let _ = Account { id: 1 }.id;
}
