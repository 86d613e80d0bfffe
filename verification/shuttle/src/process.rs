//! A process: threads that want one key, their queue, and the I/O thread.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use distlock_runtime::verification::{
    AcquireOutcome, AcquireParams, CallSite, JoinOutcome, Lease, LeaseTerms, Mailbox, ProcessInfo,
    QueueContext, QueueTable, Section,
};
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use crate::driver::{Event, Ledger, Server, flush};
use crate::environment;
use crate::explore::block_on;
use crate::witness::Witness;

const TTL: Duration = Duration::from_secs(30);
/// How often a hold is handed on while others wait: less than a block has tokens, so that both
/// bounds are met.
const BOUND: u32 = 2;
const MANAGER: u64 = 1;

/// What its threads share.
pub(crate) struct Process {
    queues: QueueTable,
    mailbox: Mailbox,
    key: Arc<str>,
    witness: Witness,
}

/// What one thread does.
pub(crate) type Caller = fn(&Process);

impl Process {
    /// Runs callers until all have ended, and checks what is left then: nothing.
    pub(crate) fn run(events: &'static [Event], callers: &[Caller]) {
        let ledger = Arc::default();
        let (process, server) = Self::start(&ledger, events);
        process.run_all(callers);
        // Its end waits until the I/O thread has seen to all that was left to it.
        process.run_all(&[|process| flush(&process.mailbox)]);
        ledger.check_vacancy();
        ledger.check_ends();
        drop(process);
        server.join().expect("the I/O thread ends");
    }

    /// The same, but the process shuts its manager down meanwhile.
    pub(crate) fn run_until_shutdown(events: &'static [Event], callers: &[Caller]) {
        let ledger = Arc::default();
        let (process, server) = Self::start(&ledger, events);
        process.run_all(callers);
        server.join().expect("the I/O thread ends");
        ledger.check_vacancy();
    }

    fn start(
        ledger: &Arc<Ledger>,
        events: &'static [Event],
    ) -> (Arc<Self>, thread::JoinHandle<()>) {
        let (mailbox, server) = Server::start(Arc::clone(ledger), events);
        let process = Arc::new(ProcessInfo::of_this_process());
        let queues =
            QueueTable::new(QueueContext { max_handoffs: BOUND, process, io: mailbox.io_handle() });
        let witness = Witness::new(Arc::clone(ledger));
        (Arc::new(Self { queues, mailbox, key: "key".into(), witness }), server)
    }

    fn run_all(self: &Arc<Self>, callers: &[Caller]) {
        let run = |&caller: &Caller| {
            let process = Arc::clone(self);
            thread::spawn(move || caller(&process))
        };
        let threads: Vec<_> = callers.iter().map(run).collect();
        join_all(threads);
    }

    /// Gets into the line.
    pub(crate) fn join(
        &self,
        params: AcquireParams,
    ) -> Option<impl Future<Output = Option<AcquireOutcome>> + Unpin + use<>> {
        match self.queues.join(&self.key, params) {
            JoinOutcome::Queued(in_line) => Some(in_line),
            JoinOutcome::WouldWait => None,
        }
    }

    /// Gets into the line and waits; no section if the request failed.
    pub(crate) fn enter(&self, params: AcquireParams) -> Option<Section> {
        self.begin(block_on(self.join(params)?))
    }

    /// Enters a hold that is kept here, if there is one.
    pub(crate) fn enter_idle(&self, params: AcquireParams) -> Option<Section> {
        let share = self.queues.take_idle(&self.key, params)?;
        self.begin(Some(Ok(share)))
    }

    /// Begins the section of an answer that is a hold.
    pub(crate) fn begin(&self, answer: Option<AcquireOutcome>) -> Option<Section> {
        let share = answer?.ok()?;
        let section = Section::outermost(None, MANAGER, share, call_site());
        self.witness.enter(section.lease());
        Some(section)
    }

    /// Ends a section.
    pub(crate) fn leave(&self, section: Section) {
        thread::yield_now();
        self.witness.leave(section.lease());
        drop(section);
    }

    /// The code that was inside under this hold has left.
    pub(crate) fn see_off(&self, lease: &Arc<Lease>) {
        self.witness.leave(lease);
    }

    /// Ends a section, and waits to hear that the hold was ours to the end.
    pub(crate) fn leave_confirmed(&self, section: Section) {
        self.witness.leave(section.lease());
        for (lease, answer) in section.end_confirmed() {
            let held = block_on(answer).expect("the I/O thread answers");
            let lost = self.witness.ledger().is_losing(lease.nonce());
            assert_eq!(held, Some(!lost).into(), "whether it was ours to the end");
        }
    }

    pub(crate) fn shut_down(&self) {
        drop(self.mailbox.shutdown());
    }
}

/// A request that waits, for a hold that is not kept afterwards.
pub(crate) fn params() -> AcquireParams {
    let terms = LeaseTerms { ttl: TTL, renew: true, max_hold: None };
    let (since, linger) = (environment::now(), Duration::ZERO);
    AcquireParams {
        since,
        deadline: None,
        queue: true,
        terms,
        linger,
        call_site: call_site(),
        label: None,
    }
}

/// The same, but its hold is kept for the next call.
pub(crate) fn lingering() -> AcquireParams {
    AcquireParams { linger: Duration::from_millis(500), ..params() }
}

pub(crate) fn call_site() -> CallSite {
    CallSite::Line(Location::caller())
}

/// Waits until all of them have ended well.
pub(crate) fn join_all(threads: impl IntoIterator<Item = thread::JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("what a thread expects holds");
    }
}

/// Lets others run for a while, or not.
pub(crate) fn dawdle() {
    for _ in 0..thread_rng().gen_range(0..4) {
        thread::yield_now();
    }
}
