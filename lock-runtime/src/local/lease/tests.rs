//! What a lease asks of its backend.

use super::*;

/// Counts calls of `ensure_ttl` and `keep_until`.
#[derive(Default)]
struct Counts {
    raised: AtomicUsize,
    kept: AtomicUsize,
}

impl LeaseBackend for Counts {
    fn release(&self, _nonce: RequestId, _fence: Fence) {}

    fn release_and_confirm(&self, _nonce: RequestId, _fence: Fence) -> Answer<ReleaseOutcome> {
        Box::pin(std::future::ready(None))
    }

    fn renew_now(&self, _nonce: RequestId, _ttl: Duration) -> Answer<Timestamp> {
        Box::pin(std::future::ready(None))
    }

    fn run_callback(&self, _callback: Callback) {}

    fn keep_until(&self, _: RequestId, _: Timestamp) {
        self.kept.fetch_add(1, Ordering::Relaxed);
    }

    fn ensure_ttl(&self, _nonce: RequestId, _ttl: Duration) {
        self.raised.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn only_a_longer_ttl_is_sent() {
    let counts = Arc::new(Counts::default());
    let backend: Arc<dyn LeaseBackend> = Arc::<Counts>::clone(&counts);
    let (id, until) = (RequestId::from_bits(1), time::now().plus(Duration::from_secs(60)));
    let (lease, _lease_ref) = Lease::granted("key".into(), Fence::new(1), id, until, None, backend);
    lease.raise_ttl(Duration::from_secs(30));
    let mut asked = |seconds| {
        lease.ensure_ttl(Duration::from_secs(seconds));
        counts.raised.swap(0, Ordering::Relaxed)
    };
    assert_eq!([30, 10, 1].map(&mut asked), [0; 3], "it has that already");
    assert_eq!([40, 40, 30, 50].map(&mut asked), [1, 0, 0, 1]);
}

#[test]
fn a_key_is_kept_only_if_its_section_begins() {
    let (id, until) = (RequestId::from_bits(1), time::now().plus(Duration::from_secs(60)));
    for (keep_until, kept) in [(Some(until), 1), (None, 0)] {
        let counts = Arc::new(Counts::default());
        let backend: Arc<dyn LeaseBackend> = Arc::<Counts>::clone(&counts);
        let (lease, _lease_ref) =
            Lease::granted("key".into(), Fence::new(1), id, until, keep_until, backend);
        assert_eq!(counts.kept.load(Ordering::Relaxed), 0, "no code has run");
        lease.begin();
        assert_eq!(counts.kept.load(Ordering::Relaxed), kept);
    }
}
