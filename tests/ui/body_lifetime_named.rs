use distlock::{LockError, distributed_lock};

#[distributed_lock("key")]
fn longer<'a>(text: &'a str, other: &str) -> Result<&'a str, LockError> {
    if text.is_empty() {
        return Ok(other);
    }
    Ok(text)
}

fn main() {
    let _ = longer("a", "b");
}
