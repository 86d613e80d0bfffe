//! A queue and its callers. The test plays the link.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use crate::local::key_queue::{IoHandle, KeyQueue, QueueContext, QueueTable, WaitForTurn};
use crate::local::lease::{Answer, Callback, LeaseRef};
use crate::local::queue::{AcquireParams, SHORT_SECTION};
use crate::protocol::request::{Loss, ReleaseOutcome, RequestParams};
use crate::types::fence::{Fence, FenceRange};
use crate::types::owner_info::ProcessInfo;
use crate::types::replicas::Replicas;
use crate::types::request_id::RequestId;
use crate::types::time::{self, Timestamp};
use crate::wire::reply::Grant;

const TTL: Duration = Duration::from_secs(30);

/// Records what a queue sends.
#[derive(Default)]
struct FakeIo {
    requests: Mutex<Vec<(RequestId, Arc<KeyQueue>)>>,
    ended: Mutex<Vec<RequestId>>,
    shut_down: bool,
}

impl IoHandle for FakeIo {
    fn acquire(
        &self,
        request: RequestParams,
        _replaces: Option<RequestId>,
        queue: Arc<KeyQueue>,
    ) -> bool {
        self.requests.lock().unwrap().push((request.id, queue));
        !self.shut_down
    }

    fn acquire_all(&self, requests: Vec<(RequestParams, Arc<KeyQueue>)>) -> bool {
        let requests = requests.into_iter().map(|(request, queue)| (request.id, queue));
        self.requests.lock().unwrap().extend(requests);
        !self.shut_down
    }

    fn release(&self, _key: &str, id: RequestId) {
        self.ended.lock().unwrap().push(id);
    }

    fn release_and_confirm(&self, key: &str, id: RequestId) -> Answer<ReleaseOutcome> {
        self.release(key, id);
        Box::pin(std::future::ready(None))
    }

    fn keep_until(&self, _key: &str, _: RequestId, _: Timestamp) {}

    fn ensure_ttl(&self, _key: &str, _id: RequestId, _ttl: Duration) {}

    fn renew_now(&self, _key: &str, _id: RequestId, _ttl: Duration) -> Answer<Timestamp> {
        Box::pin(std::future::ready(None))
    }

    fn run_callback(&self, callback: Callback) {
        callback();
    }

    fn reset_max_hold(&self, _key: &str, _id: RequestId, _at: Timestamp) {}

    fn set_timer(&self, _at: Timestamp, _queue: Weak<KeyQueue>) -> u64 {
        0
    }

    fn cancel_timer(&self, _at: Timestamp, _alarm: u64) {}

    fn run(&self, _key: &str) {}
}

impl FakeIo {
    /// Grants the latest request, as the link would.
    fn grant(&self) -> (RequestId, Arc<KeyQueue>) {
        let (id, queue) = self.requests.lock().unwrap().pop().expect("the server was asked");
        let fences = FenceRange::new(Fence::new(100), 4);
        let grant = Grant { fences, contended: false };
        let now = time::now();
        let pending = queue.granted(now, id, grant, now.plus(TTL));
        pending.expect("a caller waits").deliver();
        (id, queue)
    }
}

fn context(letters: &Arc<FakeIo>) -> QueueContext {
    let io = Arc::clone(letters) as Arc<dyn IoHandle>;
    let process = Arc::new(ProcessInfo::of_this_process());
    let counts = Arc::default();
    let (max_handoffs, replicas, metrics_by_key) = (8, Replicas::None, false);
    QueueContext { max_handoffs, process, replicas, metrics_by_key, counts, io }
}

#[track_caller]
fn join(queues: &QueueTable, key: &Arc<str>) -> WaitForTurn {
    queues.join(key, AcquireParams::with_ttl(TTL))
}

fn answer(wait: &mut WaitForTurn) -> Option<LeaseRef> {
    match Pin::new(wait).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Ok(lease_ref))) => Some(lease_ref),
        Poll::Ready(_) => panic!("no hold"),
        Poll::Pending => None,
    }
}

#[test]
fn a_queue_is_dropped_when_its_last_lease_is_released() {
    let letters = Arc::new(FakeIo::default());
    let (queues, key) = (QueueTable::new(context(&letters)), Arc::from("key"));
    let mut first = join(&queues, &key);
    let mut second = join(&queues, &key);
    let (id, queue) = letters.grant();
    let lease_ref = answer(&mut first).expect("its turn");
    assert!(answer(&mut second).is_none());
    let gone = Arc::downgrade(&queue);
    drop((queue, lease_ref));
    drop(answer(&mut second).expect("it was handed off"));
    assert_eq!(*letters.ended.lock().unwrap(), [id]);
    drop((first, second));
    assert!(gone.upgrade().is_none(), "something still keeps it");
}

#[test]
fn an_undelivered_grant_goes_to_the_next_waiter() {
    let letters = Arc::new(FakeIo::default());
    let (queues, key) = (QueueTable::new(context(&letters)), Arc::from("key"));
    let first = join(&queues, &key);
    let mut second = join(&queues, &key);
    letters.grant();
    drop(first);
    assert!(answer(&mut second).is_some());
}

#[test]
fn after_a_shutdown_no_caller_waits() {
    let letters = Arc::new(FakeIo { shut_down: true, ..FakeIo::default() });
    let (queues, key) = (QueueTable::new(context(&letters)), Arc::from("key"));
    let mut wait = join(&queues, &key);
    let polled = Pin::new(&mut wait).poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(None)));
}

#[test]
fn a_request_that_is_alone_neither_takes_over_a_lease_nor_hands_one_on() {
    let letters = Arc::new(FakeIo::default());
    let (queues, key) = (QueueTable::new(context(&letters)), Arc::from("key"));
    let mut shared = join(&queues, &key);
    letters.grant();
    let mut alone =
        queues.join(&key, AcquireParams { alone: true, ..AcquireParams::with_ttl(TTL) });
    let mut once =
        queues.join(&key, AcquireParams { queue: false, ..AcquireParams::with_ttl(TTL) });
    assert_eq!(letters.requests.lock().unwrap().len(), 2, "each asks the server");
    let mut behind = join(&queues, &key);
    drop(answer(&mut shared).expect("it was granted"));
    assert!(answer(&mut behind).is_some(), "it was handed off");
    assert!(answer(&mut alone).is_none() && answer(&mut once).is_none());
    let (id, _) = letters.grant();
    drop(answer(&mut once).expect("it was granted"));
    assert_eq!(letters.ended.lock().unwrap().last(), Some(&id));
}

#[test]
fn keys_that_are_asked_for_together_are_sent_in_one_message() {
    let letters = Arc::new(FakeIo::default());
    let queues = QueueTable::new(context(&letters));
    let mut waits = queues.join_all(&["a", "b"], AcquireParams::with_ttl(TTL));
    letters.grant();
    assert!(answer(&mut waits[0]).is_none());
    assert!(answer(&mut waits[1]).is_some());
    drop(waits);
    assert_eq!(letters.ended.lock().unwrap().len(), 2, "one was released, one withdrawn");
    let letters = Arc::new(FakeIo { shut_down: true, ..FakeIo::default() });
    for mut wait in
        QueueTable::new(context(&letters)).join_all(&["a", "b"], AcquireParams::with_ttl(TTL))
    {
        let polled = Pin::new(&mut wait).poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(None)));
    }
}

/// Whether a waiter was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Woken {
    /// Of a waiter that waits.
    fn by(wait: &mut WaitForTurn) -> Arc<Self> {
        let woken = Arc::<Self>::default();
        let waker = Waker::from(Arc::clone(&woken));
        assert!(Pin::new(wait).poll(&mut Context::from_waker(&waker)).is_pending());
        woken
    }

    fn is(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn a_waiter_is_woken_to_read_when_its_request_is_sent() {
    let letters = Arc::new(FakeIo::default());
    let (queues, key) = (QueueTable::new(context(&letters)), Arc::from("key"));
    let mut first = join(&queues, &key);
    let mut second = join(&queues, &key);
    assert!(first.is_asked(), "its request was sent at once");
    let woken = Woken::by(&mut second);
    assert!(!second.is_asked(), "it waits for a section of this process");
    let (id, queue) = letters.grant();
    let lease_ref = answer(&mut first).expect("its turn");
    assert!(!woken.is(), "nothing changed for it");
    queue.lost(id, Loss::NotOnServer);
    assert!(second.is_asked(), "its request was sent when the lease was lost");
    assert!(woken.is(), "it may have to read the answer");
    drop((lease_ref, queue));
    letters.grant();
    assert!(answer(&mut second).is_some());
    assert!(
        queues
            .join_all(&["a", "b"], AcquireParams::with_ttl(TTL))
            .iter()
            .all(WaitForTurn::is_asked)
    );
}

#[test]
fn a_renewal_does_not_bring_back_a_lease_whose_deadline_was_seen_to_have_passed() {
    let letters = Arc::new(FakeIo::default());
    let (queues, key) = (QueueTable::new(context(&letters)), Arc::from("key"));
    for looks in [false, true] {
        let mut wait = join(&queues, &key);
        let (id, queue) = letters.grant();
        let lease = answer(&mut wait).expect("its turn").into_lease();
        assert!(queue.renewed(id, Timestamp::ZERO).is_none(), "a lease that is over");
        let is_lost = looks && lease.loss().is_some();
        let lost = queue.renewed(id, time::now().plus(TTL));
        assert_eq!(lost.map(|(_, loss)| loss), is_lost.then_some(Loss::Expired));
        assert_eq!(lease.reported_loss().is_some(), is_lost);
        assert!(queue.renewed(id, time::now().plus(TTL)).is_none(), "it is reported once");
        lease.release();
        assert_eq!(letters.ended.lock().unwrap().pop(), Some(id), "the server has it");
    }
}

#[test]
fn a_thread_that_stays_awake_is_woken_when_its_turn_is_the_next() {
    let letters = Arc::new(FakeIo::default());
    let (queues, key) = (QueueTable::new(context(&letters)), Arc::from("key"));
    let mut first = join(&queues, &key);
    let mut waits = [join(&queues, &key), join(&queues, &key)];
    assert_eq!(first.spin_time(), Duration::ZERO, "it waits for the server");
    assert_eq!(waits.each_ref().map(WaitForTurn::spin_time), [SHORT_SECTION; 2]);
    let woken = waits.each_mut().map(Woken::by);
    letters.grant();
    assert_eq!(woken.each_ref().map(|woken| woken.is()), [true, false]);
    let woken = waits.each_mut().map(Woken::by);
    drop(answer(&mut first).expect("its turn"));
    assert!(woken[0].is(), "it was handed off");
}

#[test]
fn no_thread_stays_awake_after_a_long_section() {
    let letters = Arc::new(FakeIo::default());
    let (queues, key) = (QueueTable::new(context(&letters)), Arc::from("key"));
    let mut first = join(&queues, &key);
    let (mut second, mut third) = (join(&queues, &key), join(&queues, &key));
    assert_eq!(third.spin_time(), SHORT_SECTION, "no section has ended");
    let woken = Woken::by(&mut third);
    letters.grant();
    let lease_ref = answer(&mut first).expect("its turn");
    thread::sleep(SHORT_SECTION * 10);
    drop(lease_ref);
    let _lease_ref = answer(&mut second).expect("it was handed off");
    assert!(!woken.is(), "its turn is the next");
    assert_eq!(join(&queues, &key).spin_time(), Duration::ZERO);
}
