// errors: 3

use distlock::distributed_lock;
// 75
fn main() {
    let run = #[distributed_lock("key")]
    || Ok::<u32, distlock::LockError>(1);
    let _ = run();
}
