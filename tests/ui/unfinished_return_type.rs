use distlock::distributed_lock;

#[distributed_lock("account")]
fn run(id: u32) -> {
    Ok(id)
}

fn main() {
    let _ = run(1);
}
