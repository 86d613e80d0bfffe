//! The annotated functions of the nested calls.

use std::sync::Arc;

use distlock::{LockError, distributed_lock};

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
