//! A lease backend that counts releases.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use distlock_runtime::Fence;
use distlock_runtime::verification::{
    Answer, Callback, Lease, LeaseBackend, LeaseRef, ReleaseOutcome, RequestId, Timestamp, fence,
};

use crate::environment;

/// The number of releases. It uses a mutex of the standard library, on which no schedule depends:
/// nothing waits while it is locked.
#[derive(Default)]
pub(crate) struct CountingBackend(Mutex<u32>);

impl CountingBackend {
    pub(crate) fn releases(&self) -> u32 {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LeaseBackend for CountingBackend {
    fn release(&self, _nonce: RequestId, _fence: Fence) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    }

    fn release_and_confirm(&self, id: RequestId, fence: Fence) -> Answer<ReleaseOutcome> {
        self.release(id, fence);
        Box::pin(std::future::ready(Some(ReleaseOutcome::Held)))
    }

    fn keep_until(&self, _id: RequestId, _until: Timestamp) {}

    fn ensure_ttl(&self, _nonce: RequestId, _ttl: Duration) {}

    fn renew_now(&self, _nonce: RequestId, _ttl: Duration) -> Answer<Timestamp> {
        Box::pin(std::future::ready(None))
    }

    fn run_callback(&self, callback: Callback) {
        callback();
    }
}

/// A hold that was just granted, with its first reference.
pub(crate) fn hold(backend: &Arc<CountingBackend>) -> (Arc<Lease>, LeaseRef) {
    let until = environment::now().plus(Duration::from_secs(30));
    let backend = Arc::clone(backend) as Arc<dyn LeaseBackend>;
    Lease::granted("key".into(), fence(1), RequestId::from_bits(1), until, None, backend)
}
