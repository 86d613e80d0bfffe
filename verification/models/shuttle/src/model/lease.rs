//! One hold: its references and its loss.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use distlock_runtime::verification::{Lease, LeaseRef, Loss};
use shuttle::thread;

use crate::counting_backend::{CountingBackend, hold};
use crate::environment;
use crate::explore::{block_on, explore, explore_all};
use crate::process::join_all;

/// Each reference keeps the hold. The last one that is dropped releases it, once, and no caller
/// joins after that.
pub fn the_last_reference_releases_the_hold() {
    explore_all(|| {
        let backend = Arc::<CountingBackend>::default();
        let (lease, share) = hold(&backend);
        let joins = {
            let (lease, backend) = (Arc::clone(&lease), Arc::clone(&backend));
            thread::spawn(move || join_and_leave(&lease, &backend))
        };
        let confirms = {
            let (lease, backend) = (Arc::clone(&lease), Arc::clone(&backend));
            thread::spawn(move || join_and_confirm(&lease, &backend))
        };
        drop(share);
        joins.join().expect("it leaves");
        confirms.join().expect("it leaves");
        assert_eq!(backend.releases(), 1);
        assert!(lease.is_released() && LeaseRef::of(&lease).is_none());
    });
}

fn join_and_leave(lease: &Arc<Lease>, backend: &CountingBackend) {
    let Some(share) = LeaseRef::of(lease) else { return };
    let again = share.clone();
    drop(share);
    assert_eq!(backend.releases(), 0, "released while it was referenced");
    drop(again);
}

fn join_and_confirm(lease: &Lease, backend: &CountingBackend) {
    if lease.add_ref() {
        assert_eq!(backend.releases(), 0, "released while it was referenced");
        let last = lease.release_and_confirm().is_some();
        assert!(!last || backend.releases() == 1, "the last reference releases it");
    }
}

/// A hold that was released before its deadline never counts as lost, no matter when a thread
/// checks.
pub fn a_released_hold_is_not_lost_later() {
    explore_all(|| {
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

/// Every watcher sees the loss, no matter when it began to watch and who else came and went.
pub fn a_loss_wakes_every_watcher() {
    explore(
        || {
            let (lease, share) = hold(&Arc::default());
            let watch = |watcher: fn(&Lease)| {
                let lease = Arc::clone(&lease);
                thread::spawn(move || watcher(&lease))
            };
            let watchers = [watch(watches), watch(glances_and_watches), watch(glances)];
            lease.mark_lost(Loss::NotOnServer);
            join_all(watchers);
            drop(share);
        },
        800,
    );
}

/// One watcher and the loss, under every schedule.
pub fn a_loss_is_never_missed() {
    explore_all(|| {
        let (lease, share) = hold(&Arc::default());
        let watcher = {
            let lease = Arc::clone(&lease);
            thread::spawn(move || watches(&lease))
        };
        lease.mark_lost(Loss::NotOnServer);
        watcher.join().expect("it sees the loss");
        drop(share);
    });
}

fn watches(lease: &Lease) {
    let mut slot = None;
    let loss = block_on(poll_fn(|context| lease.poll_lost(&mut slot, context)));
    assert_eq!(loss, Loss::NotOnServer);
    lease.stop_watching(slot);
}

/// Registers as a watcher and unregisters.
fn glances(lease: &Lease) {
    let mut slot = None;
    let _ = lease.poll_lost(&mut slot, &Context::from_waker(Waker::noop()));
    lease.stop_watching(slot);
}

fn glances_and_watches(lease: &Lease) {
    glances(lease);
    watches(lease);
}
