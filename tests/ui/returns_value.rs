use distlock::distributed_lock;
// 77
#[distributed_lock("key")]
fn run(n: u32) -> u32 {
    n
}

fn main() {
    let _ = run(1);
}
