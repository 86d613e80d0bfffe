// The error of the only call inside.

use distlock::distributed_lock;

#[distributed_lock("report")]
fn run(text: &str) -> Result<u32, std::num::ParseIntError> {
    text.parse()
}

fn main() {
    let _ = run("1");
}
