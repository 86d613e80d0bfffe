use distlock::distributed_lock;
// 75
unsafe extern "C" {
    #[distributed_lock("key", on_error = panic)]
    fn abs(value: i32) -> i32;
}

fn main() {
    let _ = unsafe { abs(1) };
}
