use distlock::{LockError, distributed_lock};

#[distributed_lock("account:{from}", hold = [payer, payee])]
async fn run(from: u8) -> Result<(), LockError> {
    payer.check()?;
    payee.check()
}

fn main() {
    drop(run(1));
}
