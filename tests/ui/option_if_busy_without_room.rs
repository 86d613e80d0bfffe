use distlock::distributed_lock;

#[distributed_lock("report", if_busy = |_| 409)]
fn report() -> u16 {
    200
}

fn main() {}
