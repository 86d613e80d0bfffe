use std::fmt::Display;

use distlock::{LockError, distributed_lock};

#[distributed_lock("{key}:{N}")]
pub fn first<'a, K, T, const N: usize>(
    key: K,
    items: &'a [T; N],
    spare: &T,
) -> Result<Option<&'a T>, LockError>
where
    K: Display,
    T: PartialEq,
{
    Ok(items.iter().find(|item| *item != spare))
}
