//! One hold: its shares and its loss.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use distlock_runtime::verification::{Lease, LeaseRef, Loss};
use shuttle::thread;

use crate::environment;
use crate::explore::{block_on, exhaust, explore};
use crate::keeper::{Counts, hold};
use crate::process::join_all;

/// Whoever joins keeps the hold; the last to leave ends it, once, and nobody joins after that.
pub fn the_last_share_ends_the_hold() {
    exhaust(|| {
        let counts = Arc::<Counts>::default();
        let (lease, share) = hold(&counts);
        let joins = {
            let (lease, counts) = (Arc::clone(&lease), Arc::clone(&counts));
            thread::spawn(move || join_and_leave(&lease, &counts))
        };
        let confirms = {
            let (lease, counts) = (Arc::clone(&lease), Arc::clone(&counts));
            thread::spawn(move || join_and_confirm(&lease, &counts))
        };
        drop(share);
        joins.join().expect("it leaves");
        confirms.join().expect("it leaves");
        assert_eq!(counts.ends(), 1);
        assert!(lease.is_released() && LeaseRef::of(&lease).is_none());
    });
}

fn join_and_leave(lease: &Arc<Lease>, counts: &Counts) {
    let Some(share) = LeaseRef::of(lease) else { return };
    let again = share.clone();
    drop(share);
    assert_eq!(counts.ends(), 0, "ended under a share");
    drop(again);
}

fn join_and_confirm(lease: &Lease, counts: &Counts) {
    if lease.add_ref() {
        assert_eq!(counts.ends(), 0, "ended under a share");
        let last = lease.release_and_confirm().is_some();
        assert!(!last || counts.ends() == 1, "the last to leave ends it");
    }
}

/// A hold that was released before its deadline never counts as lost, no matter when a thread
/// checks.
pub fn a_released_hold_is_not_lost_later() {
    exhaust(|| {
        let (lease, share) = hold(&Arc::default());
        let releases = thread::spawn(move || drop(share));
        let mut slot = None;
        let context = Context::from_waker(Waker::noop());
        assert!(lease.poll_lost(&mut slot, &context).is_pending());
        releases.join().expect("it releases");
        environment::pass(Duration::from_secs(60));
        assert_eq!((lease.loss(), lease.remaining()), (None, Duration::ZERO));
        assert!(lease.poll_lost(&mut slot, &context).is_pending());
    });
}

/// Whoever watches hears of the loss, whenever it began to watch, and though others come and go.
pub fn a_loss_reaches_all_who_watch() {
    explore(
        || {
            let (lease, share) = hold(&Arc::default());
            let watch = |watcher: fn(&Lease)| {
                let lease = Arc::clone(&lease);
                thread::spawn(move || watcher(&lease))
            };
            let watchers = [watch(watches), watch(glances_and_watches), watch(glances)];
            lease.mark_lost(Loss::Gone);
            join_all(watchers);
            drop(share);
        },
        800,
    );
}

/// One that watches, and the loss: every schedule of the two.
pub fn a_loss_is_never_missed() {
    exhaust(|| {
        let (lease, share) = hold(&Arc::default());
        let watcher = {
            let lease = Arc::clone(&lease);
            thread::spawn(move || watches(&lease))
        };
        lease.mark_lost(Loss::Gone);
        watcher.join().expect("it hears of the loss");
        drop(share);
    });
}

fn watches(lease: &Lease) {
    let mut slot = None;
    let loss = block_on(poll_fn(|context| lease.poll_lost(&mut slot, context)));
    assert_eq!(loss, Loss::Gone);
    lease.stop_watching(slot);
}

/// Takes a place among the watchers and frees it for others.
fn glances(lease: &Lease) {
    let mut slot = None;
    let _ = lease.poll_lost(&mut slot, &Context::from_waker(Waker::noop()));
    lease.stop_watching(slot);
}

fn glances_and_watches(lease: &Lease) {
    glances(lease);
    watches(lease);
}
