use distlock::{LockError, distributed_lock};

fn refused(_error: LockError) -> u16 {
    409
}

#[distributed_lock("report", if_busy = refused, on_error = panic)]
fn report() -> u16 {
    200
}

fn main() {}
