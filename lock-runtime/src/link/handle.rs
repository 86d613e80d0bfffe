//! What the layers above have of a link.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::backend::redis::cluster::Discovery;
use crate::backend::server::Server;
use crate::backend::socket::Signal;
use crate::link::effect::{ScanAnswer, StatusChanges};
use crate::link::exit::flush_at_exit;
use crate::link::router::{Router, TimerTarget};
use crate::link::state::LinkState;
use crate::link::wait::drive;
use crate::link::{Link, OPEN, threads};
use crate::local::key_queue::{IoHandle, KeyQueue};
use crate::local::lease::{Answer, Callback};
use crate::protocol::Protocol;
use crate::protocol::listing::ScanCursor;
use crate::protocol::node::NodeContext;
use crate::protocol::request::{ReleaseOutcome, RequestParams};
use crate::protocol::timing::Timing;
use crate::types::environment::atomic::{AtomicBool, AtomicU8};
use crate::types::environment::{ForkGuard, Mutex};
use crate::types::fence::HighestFence;
use crate::types::request_id::RequestId;
use crate::types::time::{self, Timestamp};
use crate::user_code::metrics::LinkMetrics;
use crate::user_code::{self, Delegated};
use crate::wire::keyspace::Keyspace;

#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) deployment: Deployment,
    pub(crate) timing: Timing,
    pub(crate) inbox: String,
    pub(crate) default_ttl: Duration,
    /// Whether replicas have to confirm all holds.
    pub(crate) confirms: bool,
    /// Of all links of the manager.
    pub(crate) min_fence: HighestFence,
    pub(crate) changes: StatusChanges,
    /// Of the connection.
    pub(crate) metrics: LinkMetrics,
}

/// Where the locks are kept.
#[derive(Clone)]
pub(crate) enum Deployment {
    Server(Arc<Server>),
    Cluster(Arc<Discovery>, NodeContext),
}

/// A caller's handle. When the last one is dropped the link releases everything and ends.
#[derive(Clone)]
pub(crate) struct LinkHandle(Arc<HandleInner>);

struct HandleInner {
    link: Arc<Link>,
}

impl Drop for HandleInner {
    fn drop(&mut self) {
        self.link.submit(|router, now| router.shutdown(now, None));
    }
}

impl Setup {
    /// A link that is not connected.
    pub(crate) fn link(&self) -> std::io::Result<LinkHandle> {
        let Self { deployment, timing, inbox, default_ttl, confirms, min_fence, .. } = self;
        let now = time::now();
        let protocol = Protocol::new(now, timing.clone(), inbox.clone(), *default_ttl);
        let protocol = match deployment {
            Deployment::Server(_) => protocol.beside(min_fence.clone()),
            Deployment::Cluster(_, context) => protocol.of_node(context.clone()),
        };
        let protocol = if *confirms { protocol.confirming(now) } else { protocol };
        LinkHandle::of(protocol, inbox.clone(), self.changes.clone(), self.metrics.clone())
    }
}

impl LinkHandle {
    /// A link without a keeper, for holds that no replica confirms.
    #[cfg(any(test, all(distlock_verification, feature = "__shuttle")))]
    pub(crate) fn new(
        timing: Timing,
        inbox: String,
        default_ttl: Duration,
    ) -> std::io::Result<Self> {
        let protocol = Protocol::new(time::now(), timing, inbox.clone(), default_ttl);
        Self::of(protocol, inbox, StatusChanges::default(), LinkMetrics::of(""))
    }

    pub(crate) fn of(
        protocol: Protocol,
        inbox: String,
        changes: StatusChanges,
        metrics: LinkMetrics,
    ) -> std::io::Result<Self> {
        let (keeper_signal, stop) = (Arc::new(Signal::new()?), Signal::new()?);
        let link = Link {
            fork_guard: ForkGuard::new(),
            status: AtomicU8::new(OPEN),
            state: Mutex::new(LinkState::new(Router::new(protocol, changes, metrics), inbox)),
            keeper_reads: AtomicBool::new(false),
            keeper_signal,
            stop,
            delegated: Arc::new(Delegated::default()),
            others: OnceLock::new(),
        };
        Ok(Self(Arc::new(HandleInner { link: Arc::new(link) })))
    }

    /// Starts the keeper, which connects to this server. Without one it never connects.
    pub(crate) fn keep(&self, server: Option<Arc<Server>>) -> std::io::Result<()> {
        if server.is_some() {
            self.link().submit(|router, _| router.opened());
        }
        threads::start(Arc::clone(self.link()), server)?;
        flush_at_exit(self.link());
        Ok(())
    }

    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.0.link
    }

    /// Whether both are handles of one link.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether this process is a fork of the one that has the locks.
    pub(crate) fn is_forked(&self) -> bool {
        self.link().is_forked()
    }

    pub(crate) fn has_panicked(&self) -> bool {
        self.link().has_panicked()
    }

    pub(crate) fn io_handle(&self) -> Arc<dyn IoHandle> {
        Arc::clone(&self.0) as Arc<dyn IoHandle>
    }

    /// As [`Router::scan`].
    pub(crate) fn scan(
        &self,
        space: Keyspace,
        cursor: ScanCursor,
    ) -> oneshot::Receiver<ScanAnswer> {
        let (sender, receiver) = oneshot::channel();
        self.link().submit(|router, _| router.scan(space, cursor, sender));
        receiver
    }

    pub(crate) fn shutdown(&self) -> oneshot::Receiver<()> {
        let (sender, done) = oneshot::channel();
        self.link().submit(|router, now| router.shutdown(now, Some(sender)));
        done
    }

    /// Ready at `at`, or never if that is `None`. Works in any runtime, or none.
    pub(crate) async fn sleep_until(&self, at: Option<Timestamp>) {
        let Some(at) = at else {
            return std::future::pending().await;
        };
        let (sender, fired) = oneshot::channel();
        let set = |router: &mut Router, _| router.set_timer(at, TimerTarget::Caller(sender));
        let number = self.link().submit(set);
        let mut timer = TimerGuard { link: self.link(), at, number };
        // A closed channel completes at once: there is nothing to wait for.
        let _ = user_code::with_guarded(fired).await;
        timer.number = None;
    }
}

/// Cancels its timer when the future is dropped.
struct TimerGuard<'a> {
    link: &'a Link,
    at: Timestamp,
    number: Option<u64>,
}

impl Drop for TimerGuard<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.link.submit(|router, _| router.cancel_timer(self.at, number));
        }
    }
}

impl HandleInner {
    /// Waits for an answer, and reads the socket for it if nobody else does.
    fn answer<T: Send + 'static>(&self, receiver: oneshot::Receiver<T>) -> Answer<T> {
        let link = Arc::clone(&self.link);
        Box::pin(async move {
            drive(&link, user_code::with_guarded(receiver)).await.and_then(Result::ok)
        })
    }
}

impl IoHandle for HandleInner {
    fn acquire(
        &self,
        request: RequestParams,
        replaces: Option<RequestId>,
        queue: Arc<KeyQueue>,
    ) -> bool {
        let asked =
            self.link.stage(move |router, now| router.acquire(now, request, replaces, queue));
        asked.is_some()
    }

    fn acquire_all(&self, requests: Vec<(RequestParams, Arc<KeyQueue>)>) -> bool {
        let asked = self.link.submit(move |router, now| router.acquire_all(now, requests));
        asked.is_some()
    }

    fn release(&self, _key: &str, id: RequestId) {
        self.link.stage(|router, now| router.release(now, id));
    }

    fn release_and_confirm(&self, _key: &str, id: RequestId) -> Answer<ReleaseOutcome> {
        let (sender, receiver) = oneshot::channel();
        self.link.stage(|router, now| router.release_and_confirm(now, id, sender));
        self.answer(receiver)
    }

    fn keep_until(&self, _key: &str, id: RequestId, until: Timestamp) {
        self.link.stage(|router, now| router.keep_until(now, id, until));
    }

    fn reset_max_hold(&self, _key: &str, id: RequestId, at: Timestamp) {
        self.link.stage(|router, _| router.reset_max_hold(id, at));
    }

    fn set_timer(&self, at: Timestamp, queue: Weak<KeyQueue>) -> u64 {
        let set = |router: &mut Router, _| router.set_timer(at, TimerTarget::Queue(queue));
        self.link.stage(set).unwrap_or(0)
    }

    fn cancel_timer(&self, at: Timestamp, timer: u64) {
        self.link.stage(|router, _| router.cancel_timer(at, timer));
    }

    fn ensure_ttl(&self, _key: &str, id: RequestId, ttl: Duration) {
        self.link.submit(|router, now| router.ensure_ttl(now, id, ttl));
    }

    fn renew_now(&self, _key: &str, id: RequestId, ttl: Duration) -> Answer<Timestamp> {
        let (sender, receiver) = oneshot::channel();
        self.link.submit(|router, now| router.renew_now(now, id, ttl, sender));
        self.answer(receiver)
    }

    fn run_callback(&self, callback: Callback) {
        self.link.run_callback(callback);
    }

    fn run(&self, _key: &str) {
        self.link.run();
    }
}
