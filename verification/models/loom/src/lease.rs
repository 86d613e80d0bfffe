//! The references of a hold, and its loss.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use distlock_runtime::Fence;
use distlock_runtime::verification::{
    Answer, Callback, Lease, LeaseBackend, LeaseRef, Loss, ReleaseOutcome, RequestId, Timestamp,
    fence,
};
use loom::future::block_on;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;

/// What any thread wrote while it referenced the hold is visible when the hold is released.
pub fn the_release_happens_after_all_work_under_the_hold() {
    crate::explore(|| {
        let keeper = Arc::new(Work { done: [AtomicU32::new(0), AtomicU32::new(0)] });
        let (lease, share) = hold(Arc::clone(&keeper) as Arc<dyn LeaseBackend>);
        let other = LeaseRef::of(&lease).expect("a hold that is referenced is not over");
        let works = {
            let keeper = Arc::clone(&keeper);
            thread::spawn(move || keeper.works(0, other))
        };
        keeper.works(1, share);
        works.join().expect("it works");
        assert!(lease.is_released());
    });
}

/// A watcher sees the loss, whichever comes first.
pub fn a_loss_is_never_missed() {
    crate::explore(|| {
        let (lease, share) = hold(Arc::new(Work { done: [AtomicU32::new(1), AtomicU32::new(1)] }));
        let watcher = {
            let (lease, mut slot) = (Arc::clone(&lease), None);
            let lost = move || block_on(poll_fn(|context| lease.poll_lost(&mut slot, context)));
            thread::spawn(lost)
        };
        lease.mark_lost(Loss::NotOnServer);
        assert_eq!(watcher.join().expect("it sees the loss"), Loss::NotOnServer);
        drop(share);
    });
}

/// The backend of a hold under which two threads work.
struct Work {
    done: [AtomicU32; 2],
}

impl Work {
    fn works(&self, place: usize, share: LeaseRef) {
        self.done[place].store(1, Ordering::Relaxed);
        drop(share);
    }
}

impl LeaseBackend for Work {
    fn release(&self, _id: RequestId, _fence: Fence) {
        let done = self.done.iter().map(|done| done.load(Ordering::Relaxed)).sum::<u32>();
        assert_eq!(done, 2, "the release overtook work under the hold");
    }

    fn release_and_confirm(&self, _id: RequestId, _fence: Fence) -> Answer<ReleaseOutcome> {
        Box::pin(std::future::ready(None))
    }

    fn keep_until(&self, _id: RequestId, _until: Timestamp) {}

    fn ensure_ttl(&self, _id: RequestId, _ttl: Duration) {}

    fn renew_now(&self, _id: RequestId, _ttl: Duration) -> Answer<Timestamp> {
        Box::pin(std::future::ready(None))
    }

    fn run_callback(&self, callback: Callback) {
        callback();
    }
}

fn hold(keeper: Arc<dyn LeaseBackend>) -> (Arc<Lease>, LeaseRef) {
    let until = Timestamp::ZERO.plus(Duration::from_secs(30));
    Lease::granted("key".into(), fence(1), RequestId::from_bits(1), until, None, keeper)
}
