// A whole program under the lock.

use distlock::distributed_lock;

#[distributed_lock("report")]
fn main() {
    println!("report");
}
