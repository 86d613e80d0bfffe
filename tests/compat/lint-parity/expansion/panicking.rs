use distlock::distributed_lock;

#[distributed_lock("counter", on_error = panic)]
pub fn count() -> u64 {
    1
}
