//! Waits of two processes that temporarily resemble a cycle.

use std::pin::Pin;
use std::time::Duration;

use distlock::{Inspection, LockError, LockManager, distributed_lock};
use tokio::sync::Notify;

use super::PROCESSES;
use crate::support::LIMIT;

/// Long enough for several looks at a wait.
const LOOKED_AT: Duration = Duration::from_millis(900);
/// Long enough for the first.
const REGISTERED: Duration = Duration::from_millis(350);

type Part = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The roles of a process: its own, and that of the outsider in the other one.
pub fn lookalikes(locks: &LockManager, number: usize, rounds: u64) -> [Part; 4] {
    let of = (number + 1) % PROCESSES;
    let own = |locks: LockManager| async move {
        for _ in 0..rounds {
            family(&locks, number).await.expect("no deadlock");
        }
    };
    let strange = |locks: LockManager| async move {
        for _ in 0..rounds {
            until(&locks, &works(of), |seen| seen.holder.is_some()).await;
            outsider(&locks, of).await.expect("no deadlock");
        }
    };
    let own_late = |locks: LockManager| async move {
        for round in 0..rounds {
            let held = Notify::new();
            let late = async {
                held.notified().await;
                late(&locks, number, round).await
            };
            let (held, waited) = tokio::join!(holds(&locks, number, &held), late);
            held.and(waited).expect("no deadlock");
        }
    };
    let strange_late = |locks: LockManager| async move {
        for _ in 0..rounds {
            until(&locks, &done(of), |seen| seen.holder.is_some()).await;
            reversed(&locks, of).await.expect("no deadlock");
        }
    };
    let locks = || locks.clone();
    [
        Box::pin(own(locks())),
        Box::pin(strange(locks())),
        Box::pin(own_late(locks())),
        Box::pin(strange_late(locks())),
    ]
}

async fn until(locks: &LockManager, key: &str, is: fn(&Inspection) -> bool) {
    let is_so = async {
        while !is(&locks.inspect(key).await.unwrap()) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(LIMIT, is_so).await.expect(key);
}

/// Released before the key around it: in a cluster the nodes of the two might execute the releases
/// in the other order, and an outsider that is early for its next round makes a real deadlock.
#[distributed_lock("{key}", manager = locks, release = confirmed)]
async fn takes(locks: &LockManager, key: &str) -> Result<(), LockError> {
    Ok(())
}

// A sibling works under the key that an outsider in another process waits for, and another sibling
// waits for the key of that outsider. That is a cycle of holds but not of waits, because the first
// sibling does not wait.

fn works(of: usize) -> String {
    format!("works:{of}")
}

fn strange(of: usize) -> String {
    format!("strange:{of}")
}

#[distributed_lock("family:{number}", manager = locks)]
async fn family(locks: &LockManager, number: usize) -> Result<(), LockError> {
    let (works, waits) = tokio::join!(works_on(locks, number), waits_for(locks, number));
    works.and(waits)
}

#[distributed_lock("{}", works(number), manager = locks)]
async fn works_on(locks: &LockManager, number: usize) -> Result<(), LockError> {
    for key in [works(number), strange(number)] {
        until(locks, &key, |seen| seen.waiting > 0).await;
    }
    tokio::time::sleep(LOOKED_AT).await;
    Ok(())
}

async fn waits_for(locks: &LockManager, number: usize) -> Result<(), LockError> {
    until(locks, &strange(number), |seen| seen.holder.is_some()).await;
    takes(locks, &strange(number)).await
}

#[distributed_lock("{}", strange(of), manager = locks)]
async fn outsider(locks: &LockManager, of: usize) -> Result<(), LockError> {
    takes(locks, &works(of)).await
}

// A call inside its key waits for a second key, gets it, and waits no more. Then an outsider
// acquires the two in the opposite order. The registration of the first wait forms a cycle with the
// second wait until it is removed.

fn first(of: usize) -> String {
    format!("first:{of}")
}

fn second(of: usize) -> String {
    format!("second:{of}")
}

/// Held while the outsider may arrive.
fn done(of: usize) -> String {
    format!("done:{of}")
}

/// Holds the second key until the wait for it is registered.
#[distributed_lock("{}", second(number), manager = locks)]
async fn holds(locks: &LockManager, number: usize, held: &Notify) -> Result<(), LockError> {
    held.notify_one();
    until(locks, &second(number), |seen| seen.waiting > 0).await;
    tokio::time::sleep(REGISTERED).await;
    Ok(())
}

/// The outsider waits for the section that waited, or for the next one of its process under the
/// same hold.
async fn late(locks: &LockManager, number: usize, round: u64) -> Result<(), LockError> {
    if round.is_multiple_of(2) {
        return waits_and_works(locks, number).await;
    }
    let next = async {
        until(locks, &first(number), |seen| seen.holder.is_some()).await;
        works_next(locks, number).await
    };
    let (waits, works) = tokio::join!(waits_only(locks, number), next);
    waits.and(works)
}

#[distributed_lock("{}", first(number), manager = locks)]
async fn waits_and_works(locks: &LockManager, number: usize) -> Result<(), LockError> {
    waits_for_the_second(locks, number).await?;
    works_when_done(locks, number).await
}

#[distributed_lock("{}", first(number), manager = locks)]
async fn waits_only(locks: &LockManager, number: usize) -> Result<(), LockError> {
    until(locks, &first(number), |seen| seen.waiting > 0).await;
    waits_for_the_second(locks, number).await
}

#[distributed_lock("{}", first(number), manager = locks)]
async fn works_next(locks: &LockManager, number: usize) -> Result<(), LockError> {
    works_when_done(locks, number).await
}

async fn waits_for_the_second(locks: &LockManager, number: usize) -> Result<(), LockError> {
    takes(locks, &second(number)).await
}

#[distributed_lock("{}", done(number), manager = locks, release = confirmed)]
async fn works_when_done(locks: &LockManager, number: usize) -> Result<(), LockError> {
    until(locks, &first(number), |seen| seen.waiting > 0).await;
    tokio::time::sleep(LOOKED_AT).await;
    Ok(())
}

#[distributed_lock("{}", second(of), manager = locks)]
async fn reversed(locks: &LockManager, of: usize) -> Result<(), LockError> {
    takes(locks, &first(of)).await
}
