// The compiler reports nothing but the error: no argument is unused, no braces are superfluous.
#![deny(warnings)]
use distlock::{LockError, distributed_lock};

#[distributed_lock("{shop}:{}", item, retry = 3, hold = hold)]
#[rustfmt::skip]
fn key(shop: u8, (item, _n): (u8, u8)) -> Result<String, LockError> { Ok(hold.key().to_owned()) }

fn main() {
    let _ = key(1, (2, 3));
}
