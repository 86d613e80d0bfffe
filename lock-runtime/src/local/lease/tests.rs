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

/// A lease with this deadline.
fn lease(until: Timestamp) -> (Arc<Lease>, LeaseRef) {
    let backend: Arc<dyn LeaseBackend> = Arc::new(Counts::default());
    Lease::granted("key".into(), Fence::new(1), RequestId::from_bits(1), until, None, backend)
}

#[test]
fn a_deadline_that_was_seen_to_have_passed_is_not_moved() {
    let later = time::now().plus(Duration::from_secs(60));
    let looks: [fn(&Lease) -> bool; 2] =
        [|lease| lease.loss().is_some(), |lease| lease.remaining().is_zero()];
    for has_passed in looks {
        let (lease, _lease_ref) = lease(Timestamp::ZERO);
        assert!(has_passed(&lease));
        assert!(!lease.set_valid_until(later));
        assert!(has_passed(&lease), "once lost, it stays so");
        assert_eq!(lease.loss(), Some(Loss::Expired));
    }
}

#[test]
fn a_renewal_counts_if_nobody_has_seen_the_deadline_pass() {
    let (lease, _lease_ref) = lease(Timestamp::ZERO);
    assert!(lease.set_valid_until(time::now().plus(Duration::from_secs(60))));
    assert!(lease.loss().is_none() && !lease.remaining().is_zero());
}

#[test]
fn a_deadline_that_has_passed_keeps_the_refusal_as_its_reason() {
    let (lease, _lease_ref) = lease(Timestamp::ZERO);
    lease.record_refusal("no".into());
    for _ in 0..2 {
        assert_eq!(lease.loss(), Some(Loss::Refused("no".into())));
    }
}
