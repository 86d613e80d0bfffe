use distlock::{LockError, distributed_lock};

#[distributed_lock(["account:{from}", "account:{to}"], hold = [payer])]
fn run(from: u8, to: u8) -> Result<(), LockError> {
    payer.check()
}

fn main() {
    let _ = run(1, 2);
}
