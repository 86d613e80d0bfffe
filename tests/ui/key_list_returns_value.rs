use distlock::distributed_lock;

#[distributed_lock(["account:{from}", "account:{to}"])]
async fn run(from: u32, to: u32) -> u32 {
    from + to
}

fn main() {
    drop(run(1, 2));
}
