// The first one, or leave.

use distlock::distributed_lock;

#[distributed_lock("report")]
fn run(list: &[u32]) -> anyhow::Result<u32> {
    let first = list.first().ok_or(anyhow::anyhow!("empty"))?;
    Ok(*first)
}

fn main() {
    let _ = run(&[]);
}
