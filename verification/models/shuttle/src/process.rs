//! A process: threads that acquire one key, their queue, and the server.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use distlock_runtime::verification::{
    AcquireOutcome, AcquireParams, CallSite, IoHandle, Lease, LeaseTerms, Nanos, ProcessInfo,
    QueueContext, QueueTable, ReleaseOutcome, Replicas, Section,
};
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use crate::environment;
use crate::explore::block_on;
use crate::section_checker::SectionChecker;
use crate::server::{Event, Mailbox, RequestLog, Server};

const TTL: Duration = Duration::from_secs(30);
/// Fewer handoffs than a range has tokens, so that both limits are reached.
const MAX_HANDOFFS: u32 = 2;
const MANAGER: u64 = 1;

/// What its threads share.
pub(crate) struct Process {
    queues: QueueTable,
    mailbox: Arc<Mailbox>,
    key: Arc<str>,
    checker: SectionChecker,
}

/// What one thread does.
pub(crate) type Caller = fn(&Process);

impl Process {
    /// Runs callers until all have ended, and checks that nothing is left.
    pub(crate) fn run(events: &'static [Event], callers: &[Caller]) {
        let requests = Arc::default();
        let (process, server) = Self::start(&requests, events);
        process.run_all(callers);
        let _ = block_on(process.mailbox.flush());
        requests.check_no_queue_left();
        requests.check_releases();
        drop(process);
        server.join().expect("the server ends");
    }

    /// The same, but the manager is shut down meanwhile.
    pub(crate) fn run_until_shutdown(events: &'static [Event], callers: &[Caller]) {
        let requests = Arc::default();
        let (process, server) = Self::start(&requests, events);
        process.run_all(callers);
        server.join().expect("the server ends");
        requests.check_no_queue_left();
    }

    fn start(
        requests: &Arc<RequestLog>,
        events: &'static [Event],
    ) -> (Arc<Self>, thread::JoinHandle<()>) {
        let (mailbox, server) = Server::start(Arc::clone(requests), events);
        let process = Arc::new(ProcessInfo::of_this_process());
        let queues = QueueTable::new(QueueContext {
            max_handoffs: MAX_HANDOFFS,
            process,
            replicas: Replicas::None,
            metrics_by_key: false,
            counts: Arc::default(),
            io: Arc::clone(&mailbox) as Arc<dyn IoHandle>,
        });
        let checker = SectionChecker::new(Arc::clone(requests));
        (Arc::new(Self { queues, mailbox, key: "key".into(), checker }), server)
    }

    fn run_all(self: &Arc<Self>, callers: &[Caller]) {
        let run = |&caller: &Caller| {
            let process = Arc::clone(self);
            thread::spawn(move || caller(&process))
        };
        let threads: Vec<_> = callers.iter().map(run).collect();
        join_all(threads);
    }

    /// Joins the queue.
    pub(crate) fn join(
        &self,
        params: AcquireParams,
    ) -> impl Future<Output = Option<AcquireOutcome>> + Unpin + use<> {
        self.queues.join(&self.key, params)
    }

    /// Joins the queue and waits. `None` if the request failed.
    pub(crate) fn enter(&self, params: AcquireParams) -> Option<Section> {
        self.begin(block_on(self.join(params)))
    }

    /// Reuses the idle hold, if there is one.
    pub(crate) fn enter_idle(&self, params: AcquireParams) -> Option<Section> {
        let share = self.queues.take_idle(&self.key, params)?;
        self.begin(Some(Ok(share)))
    }

    /// Starts the section if the answer is a grant.
    pub(crate) fn begin(&self, answer: Option<AcquireOutcome>) -> Option<Section> {
        let share = answer?.ok()?;
        let section = Section::outermost(None, MANAGER, share, call_site());
        self.checker.enter(section.lease());
        Some(section)
    }

    /// Ends a section.
    pub(crate) fn leave(&self, section: Section) {
        thread::yield_now();
        self.checker.leave(section.lease());
        drop(section);
    }

    /// The code that ran under this hold has left.
    pub(crate) fn note_left(&self, lease: &Arc<Lease>) {
        self.checker.leave(lease);
    }

    /// Ends a section, and waits until the release is confirmed.
    pub(crate) fn leave_confirmed(&self, section: Section) {
        self.checker.leave(section.lease());
        for (lease, answer) in section.end_confirmed() {
            let held = block_on(answer).expect("the server answers");
            let lost = self.checker.requests().loss_is_pending(lease.request_id());
            let expected = if lost { ReleaseOutcome::NotHeld } else { ReleaseOutcome::Held };
            assert_eq!(held, expected, "whether it was held to the end");
        }
    }

    pub(crate) fn shut_down(&self) {
        self.mailbox.shut_down();
    }
}

/// Parameters of a request that waits and whose hold does not linger.
pub(crate) fn params() -> AcquireParams {
    let terms = LeaseTerms { ttl: Nanos::of(TTL), renew: true, max_hold: None, min_hold_ms: 0 };
    let (since, linger) = (environment::now(), Nanos::ZERO);
    AcquireParams {
        since,
        deadline: None,
        queue: true,
        alone: false,
        confirm_ms: 0,
        terms,
        linger,
        call_site: call_site(),
        label: None,
    }
}

/// The same, but the hold lingers for the next call.
pub(crate) fn lingering() -> AcquireParams {
    AcquireParams { linger: Nanos::of(Duration::from_millis(500)), ..params() }
}

pub(crate) fn call_site() -> CallSite {
    CallSite::Line(Location::caller())
}

/// Joins all threads. Panics if one of them did.
pub(crate) fn join_all(threads: impl IntoIterator<Item = thread::JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("no assertion of a thread failed");
    }
}

/// Lets other threads run, up to three times.
pub(crate) fn yield_randomly() {
    for _ in 0..thread_rng().gen_range(0..4) {
        thread::yield_now();
    }
}
