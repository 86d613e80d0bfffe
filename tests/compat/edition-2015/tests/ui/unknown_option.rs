extern crate distlock;

#[distlock::distributed_lock("key", retry = 3)]
fn run() -> Result<(), distlock::LockError> {
    Ok(())
}

fn main() {
    run().unwrap();
}
