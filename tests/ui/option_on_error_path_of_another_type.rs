use distlock::{LockError, distributed_lock};

fn status(_error: LockError) -> u16 {
    500
}

#[distributed_lock("report", on_error = status)]
fn report() -> String {
    String::new()
}

fn main() {}
