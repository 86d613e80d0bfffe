//! What acquiring and releasing need of a manager. The public `LockManager` is a handle of it.

use std::borrow::Cow;
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use crate::acquire::lanes::{Lane, Lanes};
use crate::acquire::lock_order;
use crate::acquire::options::{
    Options, check_clock_margin, check_confirm, check_max_hold, check_min_hold, check_ttl,
};
use crate::backend::redis::address::NodeAddress;
use crate::error::{ClosedReason, LockError};
use crate::link::effect::StatusChanges;
use crate::link::handle::{LinkHandle, Setup};
use crate::link::links::Links;
use crate::link::wait::drive;
use crate::local::key_queue::{CallCounts, QueueContext, QueueTable};
use crate::local::queue::{AcquireParams, LeaseTerms};
use crate::owner::frame::Frame;
use crate::protocol::timing::whole_millis;
use crate::types::owner_info::{CallSite, ProcessInfo};
use crate::types::replicas::Replicas;
use crate::types::server_kind::ServerKind;
use crate::types::time::{self, Nanos, Timestamp};
use crate::user_code;
use crate::user_code::metrics::LockLabels;
use crate::wire::keyspace::Keyspace;
use crate::wire::reply::LockState;

pub(crate) struct ManagerCore {
    /// Distinguishes the keys of this manager from those of others in a chain of owners.
    id: u64,
    lanes: Lanes,
    process: Arc<ProcessInfo>,
    counts: Arc<CallCounts>,
    settings: CoreSettings,
}

pub(crate) struct CoreSettings {
    /// What a call uses where it sets nothing itself.
    pub(crate) defaults: Options,
    pub(crate) max_handoffs: u32,
    pub(crate) warn_lock_order: bool,
    /// How long a call that tries once waits for the server.
    pub(crate) try_once_timeout: Duration,
    /// By how much a lease ends before its ttl, if it is set.
    pub(crate) clock_margin: Option<Duration>,
    pub(crate) label: Option<Box<str>>,
    /// Whether metrics have the rendered key as a label.
    pub(crate) metrics_by_key: bool,
    /// The address of the server, without credentials.
    pub(crate) server: String,
    pub(crate) server_kind: ServerKind,
    /// Is notified when the status changes.
    pub(crate) changes: StatusChanges,
    /// The names of its keys.
    pub(crate) space: Keyspace,
}

impl ManagerCore {
    /// `second`: for links whose holds replicas confirm.
    pub(crate) fn new(links: Links, mut settings: CoreSettings, second: Option<Setup>) -> Self {
        static IDS: AtomicU64 = AtomicU64::new(0);
        let mut process = ProcessInfo::of_this_process();
        process.label = settings.label.take();
        let process = Arc::new(process);
        let counts = Arc::default();
        let context = queue_context(&settings, &process, &counts, Replicas::None, &links);
        let lanes = Lanes::new(Lane { queues: QueueTable::new(context), links }, second);
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        Self { id, lanes, process, counts, settings }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The links for all that needs no confirmation.
    pub(crate) fn links(&self) -> &Links {
        &self.lanes.plain().links
    }

    /// The one of them that has the timers.
    pub(crate) fn link(&self) -> Cow<'_, LinkHandle> {
        self.links().first()
    }

    /// Calls that replicas confirm go over this link.
    #[cfg(distlock_verification)]
    pub(crate) fn use_for_confirmed(&self, link: LinkHandle) {
        self.lanes.set_second(Links::One(link));
    }

    /// The lane of a call with this key, whose grant these replicas have to confirm. An error after
    /// a shutdown.
    pub(crate) fn lane(&self, replicas: Replicas, key: &str) -> Result<&Lane, LockError> {
        if replicas != Replicas::None && self.is_unusable() {
            return Err(self.closed(key));
        }
        let Self { settings, process, counts, .. } = self;
        let context = |links: &Links| queue_context(settings, process, counts, replicas, links);
        self.lanes.of(replicas, context)?.ok_or_else(|| self.closed(key))
    }

    /// The names of its keys.
    pub(crate) fn space(&self) -> &Keyspace {
        &self.settings.space
    }

    /// Adds to an inspection what the server does not know.
    pub(crate) fn add_local_view(&self, key: &str, found: &mut LockState) {
        self.lanes.all().for_each(|lane| lane.queues.add_local_view(key, found));
    }

    /// Shuts the links down. Returns whether they have released everything by then.
    pub(crate) async fn shutdown(&self, deadline: Timestamp) -> bool {
        let links = self.lanes.close().into_iter().map(|link| (link.shutdown(), link));
        let links: Vec<_> = links.collect();
        let mut all = true;
        for (done, link) in links {
            // If a link has ended already, nothing is left to release. Its timers end with it.
            let done = until(&link, Some(deadline), user_code::with_guarded(done));
            all &= drive(link.link(), done).await.flatten().is_some();
        }
        all
    }

    /// The links of all servers, in a cluster with their addresses. A server may have two.
    pub(crate) fn nodes(&self) -> Vec<(Option<NodeAddress>, LinkHandle)> {
        let second = self.lanes.second().map(Links::nodes);
        self.links().nodes().into_iter().chain(second.into_iter().flatten()).collect()
    }

    /// The labels of a call with this key.
    pub(crate) fn labels(&self, call_site: CallSite, options: &Options, key: &str) -> LockLabels {
        let key = self.settings.metrics_by_key.then_some(key);
        LockLabels::of(call_site, options.label, key)
    }

    pub(crate) fn counts(&self) -> &CallCounts {
        &self.counts
    }

    pub(crate) fn settings(&self) -> &CoreSettings {
        &self.settings
    }

    pub(crate) fn process(&self) -> &ProcessInfo {
        &self.process
    }

    pub(crate) fn defaults(&self) -> &Options {
        &self.settings.defaults
    }

    /// Warns if these keys are taken in another order somewhere else.
    pub(crate) fn check_lock_order(
        &self,
        here: Option<&Arc<Frame>>,
        call_site: CallSite,
        keys: &[&str],
    ) {
        if let Some(here) = here.filter(|_| self.settings.warn_lock_order) {
            lock_order::check(here.held_locks(), call_site, keys);
        }
    }

    /// Whether it cannot serve this process: its link has panicked, or it was made before a
    /// fork.
    pub(crate) fn is_unusable(&self) -> bool {
        self.has_panicked() || self.link().is_forked()
    }

    pub(crate) fn has_panicked(&self) -> bool {
        self.links().has_panicked() || self.lanes.second().is_some_and(Links::has_panicked)
    }

    /// The error of a call after the link has ended.
    pub(crate) fn closed(&self, key: &str) -> LockError {
        let reason = if self.link().is_forked() {
            ClosedReason::Forked
        } else if self.has_panicked() {
            ClosedReason::Panicked
        } else {
            ClosedReason::ShutDown
        };
        LockError::closed(key, reason)
    }

    fn lease_terms(&self, options: &Options) -> Result<LeaseTerms, LockError> {
        let defaults = self.defaults();
        let max_hold = options.max_hold.or(defaults.max_hold);
        check_max_hold(max_hold)?;
        let ttl = options.ttl.or(defaults.ttl).expect("a manager has a default ttl");
        self.check_ttl(ttl)?;
        let min_hold = options.effective_min_hold(defaults);
        check_min_hold(min_hold, max_hold)?;
        // After a crash the key is free when the ttl has ended.
        let ttl = ttl.max(min_hold.unwrap_or_default());
        let min_hold_ms = min_hold.map_or(0, |min_hold| whole_millis(min_hold).as_millis());
        let min_hold_ms = u32::try_from(min_hold_ms).expect("30 days are less");
        let (ttl, max_hold) = (Nanos::of(ttl), max_hold.map(Nanos::of));
        Ok(LeaseTerms { ttl, renew: options.renew, max_hold, min_hold_ms })
    }

    pub(crate) fn check_ttl(&self, ttl: Duration) -> Result<(), LockError> {
        check_ttl(ttl)?;
        check_clock_margin(self.settings.clock_margin, ttl)
    }

    pub(crate) fn acquire_params(
        &self,
        options: &Options,
        call_site: CallSite,
    ) -> Result<AcquireParams, LockError> {
        let terms = self.lease_terms(options)?;
        let since = time::now();
        let wait = options.effective_wait(self.defaults());
        let try_once = wait == Some(Duration::ZERO);
        let timeout = if try_once { Some(self.settings.try_once_timeout) } else { wait };
        let confirm = options.effective_confirm(self.defaults());
        check_confirm(confirm)?;
        let alone = options.is_strict_fifo(self.defaults());
        let lingers = !alone && terms.min_hold_ms == 0;
        let linger = options.linger.filter(|_| lingers).map_or(Nanos::ZERO, Nanos::of);
        Ok(AcquireParams {
            since,
            deadline: timeout.map(|timeout| since.plus(timeout)),
            queue: !try_once,
            alone,
            confirm_ms: u32::try_from(whole_millis(confirm).as_millis()).unwrap_or(u32::MAX),
            terms,
            linger,
            call_site,
            label: options.label,
        })
    }

    /// The output of `future`, or `None` if `deadline` comes first.
    pub(crate) async fn until<F: Future>(
        &self,
        deadline: Option<Timestamp>,
        future: F,
    ) -> Option<F::Output> {
        until(&self.link(), deadline, future).await
    }

    /// The output of a wait for something about this key, for which this caller reads the socket if
    /// nobody else does. In a forked process it is `None` at once: the thread that would end the
    /// wait may not exist there.
    pub(crate) async fn drive<T>(
        &self,
        key: &str,
        wait: impl Future<Output = Option<T>>,
    ) -> Option<T> {
        let link = self.links().of(key);
        drive(link.link(), wait).await.flatten()
    }
}

async fn until<F: Future>(
    link: &LinkHandle,
    deadline: Option<Timestamp>,
    future: F,
) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut alarm = pin!(link.sleep_until(deadline));
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        alarm.as_mut().poll(context).map(|()| None)
    })
    .await
}

fn queue_context(
    settings: &CoreSettings,
    process: &Arc<ProcessInfo>,
    counts: &Arc<CallCounts>,
    replicas: Replicas,
    links: &Links,
) -> QueueContext {
    QueueContext {
        max_handoffs: settings.max_handoffs,
        process: Arc::clone(process),
        replicas,
        metrics_by_key: settings.metrics_by_key,
        counts: Arc::clone(counts),
        io: links.io_handle(),
    }
}

impl fmt::Debug for ManagerCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockManager").field("server", &self.settings.server).finish_non_exhaustive()
    }
}
