use distlock::distributed_lock;
// 75
#[distributed_lock("key")]
mod accounts {
    pub fn id() -> u32 {
        1
    }
}

fn main() {
    accounts::id();
}
