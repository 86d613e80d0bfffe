//! The annotated functions of the nested calls, and guards that are acquired beside them.

use std::sync::Arc;
use std::thread;

use distlock::{LockError, LockGuard, LockRequest, distributed_lock};

use super::Dice;
use super::nest::{Attempt, Nest, Path};

/// The keys' order is that of their numbers.
fn name(key: usize) -> String {
    format!("nest:{key:02}")
}

#[distributed_lock("{}", name(key), manager = nest.locks, wait = attempt.wait)]
pub fn section(
    nest: &Nest,
    key: usize,
    attempt: &Attempt,
    dice: &mut Dice,
    path: Path,
) -> Result<(), LockError> {
    attempt.count(&nest.counts);
    nest.descend(dice, path);
    Ok(())
}

#[distributed_lock(
    ["{a}", "{b}", "{c}"],
    a = name(keys[0]),
    b = name(keys[1]),
    c = name(keys[2]),
    manager = nest.locks,
    wait = attempt.wait
)]
pub fn sections(
    nest: &Nest,
    keys: [usize; 3],
    attempt: &Attempt,
    dice: &mut Dice,
    path: Path,
) -> Result<(), LockError> {
    attempt.count(&nest.counts);
    nest.descend(dice, path);
    Ok(())
}

#[distributed_lock("{}", name(key), manager = nest.locks, wait = attempt.wait)]
pub async fn section_async(
    nest: &Arc<Nest>,
    key: usize,
    attempt: &Attempt,
    dice: Dice,
    path: Path,
) -> Result<(), LockError> {
    attempt.count(&nest.counts);
    nest.descend_async(dice, path).await;
    Ok(())
}

#[distributed_lock(
    ["{a}", "{b}", "{c}"],
    a = name(keys[0]),
    b = name(keys[1]),
    c = name(keys[2]),
    manager = nest.locks,
    wait = attempt.wait
)]
pub async fn sections_async(
    nest: &Arc<Nest>,
    keys: [usize; 3],
    attempt: &Attempt,
    dice: Dice,
    path: Path,
) -> Result<(), LockError> {
    attempt.count(&nest.counts);
    nest.descend_async(dice, path).await;
    Ok(())
}

fn request(nest: &Nest, key: usize, attempt: &Attempt) -> LockRequest {
    nest.locks.mutex(name(key)).wait(attempt.wait)
}

/// A guard that is acquired outside of the holds around this code, which a thread does not inherit.
pub fn beside(nest: &Nest, key: usize, attempt: &Attempt) -> Result<LockGuard, LockError> {
    let acquire = || request(nest, key, attempt).acquire_blocking();
    thread::scope(|scope| scope.spawn(acquire).join().expect("no panic"))
}

pub async fn beside_async(
    nest: &Nest,
    key: usize,
    attempt: &Attempt,
) -> Result<LockGuard, LockError> {
    let request = request(nest, key, attempt);
    tokio::spawn(async move { request.acquire().await }).await.expect("no panic")
}
