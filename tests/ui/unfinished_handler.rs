use distlock::distributed_lock;

#[distributed_lock("account:{id}", on_error = |err| )]
fn run(id: u32) -> u32 {
    id
}

fn main() {
    let _: u32 = run(1);
}
